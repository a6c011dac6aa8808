"""A pier in thick fog at night: small strong lamps, whose light scatters all through the air."""

from __future__ import annotations

import math

import bpy

import shapes
import studio


def build() -> None:
    """480×270, Cycles, scattering in all of the air, eight lamps of a few centimetres."""
    studio.cycles(480, 270, 128, bounces=12, exposure=0.4)
    settings = bpy.context.scene.cycles
    settings.volume_bounces, settings.sample_clamp_indirect = 6, 0.0
    studio.sky([(-1, "#05070c"), (1, "#1a2740")], 0.25)
    studio.camera((1.5, -6.2, 1.55), (-0.25, 2.5, 1.15), 38)
    water = studio.material("water", "#05141c", 0.06, specular_ior_level=0.8)
    shapes.sheet("sea", 60, studio.grain(water, 0.5, 0.012))
    pier()
    for k in range(4):
        for side in (-1, 1):
            lantern((side * 0.95, -2.6 + 3.1 * k, 0.5), "#ffb45e" if (k + side) % 3 else "#ff8a4a")
    boat((-2.9, 2.2, 0.05))
    beacon((3.2, 13.0, 0.0))
    air()


def pier() -> None:
    """Planks on posts, out into the sea."""
    look = studio.grain(studio.material("plank", "#6b5644", 0.55), 0.12, 0.01, tint="#57473a")
    dice = studio.dice(17)
    for k in range(46):
        size = (2.2 + dice.uniform(-0.06, 0.06), 0.3, 0.07)
        shapes.box("plank", size, look, (dice.uniform(-0.03, 0.03), -3.6 + 0.34 * k, 0.4), bevel=0.01)
    for k in range(8):
        for side in (-1, 1):
            shapes.lathe(
                "post", [(0.08, -0.5), (0.08, 0.62), (0, 0.66)], look, (side * 1.1, -3.2 + 2 * k, 0), 12
            )


def lantern(at: shapes.Point, colour: studio.Colour) -> None:
    """An iron post with a bulb of four centimetres."""
    iron = studio.material("iron", "#20262b", 0.4, metallic=1.0)
    x, y, z = at
    shapes.lathe("pole", [(0.06, 0), (0.03, 0.1), (0.025, 1.35), (0, 1.35)], iron, at, 16)
    shapes.lathe("hood", [(0.16, 1.5), (0.03, 1.62), (0, 1.63)], iron, at, 16)
    data = bpy.data.lights.new("bulb", "POINT")
    data.energy, data.shadow_soft_size, data.color = 42, 0.02, studio.linear(colour)[:3]
    shapes.thing("bulb", data, at=(x, y, z + 1.44))


def boat(at: shapes.Point) -> None:
    """A rowing boat, half of a stretched ball."""
    hull = studio.material("hull", "#8f2f2a", 0.4)
    rows = [(0.55 * math.sin(a), -0.4 * math.cos(a) + 0.3) for a in (math.pi * k / 24 for k in range(13))]
    inside = [(r * 0.92, z + 0.03) for r, z in reversed(rows)]
    made = shapes.lathe("boat", rows + inside, hull, at, 48)
    made.scale, made.rotation_euler = (1.0, 2.3, 1.0), (0.0, math.radians(4), math.radians(24))


def beacon(at: shapes.Point) -> None:
    """A light tower whose beam goes over the sea."""
    x, y, _ = at
    white = studio.material("tower", "#d8d4cc", 0.7)
    shapes.lathe("tower", [(0.8, 0), (0.45, 3.6), (0.6, 3.7), (0.6, 3.8), (0, 3.8)], white, at, 32)
    data = bpy.data.lights.new("beam", "SPOT")
    data.energy, data.shadow_soft_size = 9000, 0.05
    data.spot_size, data.spot_blend = math.radians(14), 0.3
    data.color = studio.linear("#cfe4ff")[:3]
    made = shapes.thing("beam", data, at=(x, y - 0.1, 4.1))
    studio.aim(made, (-6.0, 3.0, 2.6))


def air() -> None:
    """A box of even fog around everything."""
    made = bpy.data.materials.new("air")
    made.use_nodes = True
    nodes, links = made.node_tree.nodes, made.node_tree.links
    nodes.clear()
    fog = nodes.new("ShaderNodeVolumeScatter")
    fog.inputs["Density"].default_value, fog.inputs["Anisotropy"].default_value = 0.11, 0.35
    links.new(fog.outputs["Volume"], nodes.new("ShaderNodeOutputMaterial").inputs["Volume"])
    shapes.box("air", (50, 50, 16), made, (0, 8, -1), bevel=0)


if __name__ == "__main__":
    studio.make(build)
