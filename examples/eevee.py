"""A little island with a lighthouse at dusk, rasterised by BLENDER_EEVEE_NEXT."""

from __future__ import annotations

import math

import bpy

import shapes
import studio


def build() -> None:
    """480×270, EEVEE; few materials, because each is compiled before the first pixel."""
    studio.eevee(480, 270, 24, exposure=0.25)
    studio.sky([(-1, "#3a4a78"), (0.0, "#ffb98a"), (0.08, "#f08d8a"), (0.22, "#8a78b8"), (1, "#3d4f95")], 0.9)
    studio.sun((0.55, 0.65, -0.5), 3.6, colour="#ffc48a", softness=3.0)
    studio.camera((0.6, -12.0, 2.9), (0.45, 0, 1.95), 37)
    land = studio.material("land", "#ffffff", 0.85)
    painted(land)
    sea()
    island(land)
    lighthouse(land)
    trees(land)
    cottage(land)
    boat(land)


def painted(look: bpy.types.Material) -> None:
    """Take the colour from the mesh, so that one material serves everything."""
    nodes, links = look.node_tree.nodes, look.node_tree.links
    paint = nodes.new("ShaderNodeVertexColor")
    paint.layer_name = "paint"
    links.new(paint.outputs["Color"], nodes["Principled BSDF"].inputs["Base Color"])


def colour(made: bpy.types.Object, paint: studio.Colour) -> bpy.types.Object:
    """Paint a whole mesh."""
    layer = made.data.color_attributes.new("paint", "FLOAT_COLOR", "CORNER")
    layer.data.foreach_set("color", studio.linear(paint) * len(layer.data))
    return made


def sea() -> None:
    """Calm water to the horizon."""
    water = studio.grain(studio.material("sea", "#23466e", 0.12), 0.5, 0.02)
    shapes.sheet("sea", 160, water)


def island(land: bpy.types.Material) -> None:
    """Faceted rock, sand and grass."""
    dice = studio.dice(4)
    for name, paint, profile in (
        ("foam", "#dfe6ea", [(3.5, -0.2), (3.46, 0.012), (3.1, 0.02)]),
        ("sand", "#e8c99a", [(3.3, -0.2), (3.1, 0.06), (2.6, 0.16), (0, 0.2)]),
        ("rock", "#9a7f78", [(2.5, 0.0), (2.45, 0.35), (2.2, 0.62), (0, 0.6)]),
        ("grass", "#7c9a56", [(2.36, 0.55), (2.3, 0.7), (1.7, 0.9), (0.9, 1.05), (0, 1.1)]),
    ):
        body = shapes.lathe(name, profile, land, (0, 0.6, 0), turns=22)
        for vertex in body.data.vertices:
            vertex.co.x *= 1.25 + dice.uniform(-0.07, 0.07)
            vertex.co.y *= 0.8 + dice.uniform(-0.07, 0.07)
            vertex.co.z += dice.uniform(-0.04, 0.04)
        body.data.shade_flat()
        colour(body, paint)


def lighthouse(land: bpy.types.Material) -> None:
    """A striped tower with a lamp that glows."""
    for ring in range(5):
        low, high = 0.62 - 0.055 * ring, 0.62 - 0.055 * (ring + 1)
        profile = [(low, 0.62 * ring), (high, 0.62 * (ring + 1))]
        colour(shapes.lathe("tower", profile, land, (-1.1, 0.7, 0.85)), "#f4ead8" if ring % 2 else "#cf4b3f")
    deck = [(0.0, 0), (0.48, 0), (0.48, 0.08), (0, 0.08)]
    colour(shapes.lathe("deck", deck, land, (-1.1, 0.7, 3.95)), "#3b3f55")
    glow = studio.material("glow", "#000000", 1.0, emission_color="#ffd68a", emission_strength=9.0)
    shapes.lathe("lantern", [(0.22, 0), (0.22, 0.42)], glow, (-1.1, 0.7, 4.03))
    roof = [(0.36, 0), (0.1, 0.3), (0.03, 0.4), (0, 0.55)]
    colour(shapes.lathe("roof", roof, land, (-1.1, 0.7, 4.45)), "#cf4b3f")
    light = bpy.data.lights.new("beacon", "POINT")
    light.energy, light.color, light.shadow_soft_size = 220, (1, 0.72, 0.36), 0.3
    shapes.thing("beacon", light, at=(-1.1, 0.2, 4.3))


def trees(land: bpy.types.Material) -> None:
    """Firs of three faceted cones each."""
    dice = studio.dice(9)
    spots = (
        (0.1, 1.3),
        (0.75, 1.7),
        (1.35, 1.25),
        (1.95, 1.0),
        (-0.3, 1.9),
        (-2.05, 1.0),
        (-2.4, 0.5),
        (0.4, 0.75),
    )
    for x, y in spots:
        size = dice.uniform(0.75, 1.25)
        ground = 1.0 - 0.12 * math.hypot(x / 1.2, y - 0.6)
        trunk = [(0.07 * size, 0), (0.06 * size, 0.4 * size)]
        colour(shapes.lathe("trunk", trunk, land, (x, y, ground), turns=7), "#6b4a3c")
        for tier in range(3):
            wide = (0.46 - 0.12 * tier) * size
            cone = shapes.lathe(
                "fir",
                [(wide, 0), (0, 0.62 * size)],
                land,
                (x, y, ground + (0.25 + 0.33 * tier) * size),
                turns=9,
            )
            cone.rotation_euler = (0, 0, dice.uniform(0, 1))
            cone.data.shade_flat()
            colour(cone, ("#2f5d50", "#3a6f57", "#4a8260")[tier])


def cottage(land: bpy.types.Material) -> None:
    """A white house with a slate roof and a lit window."""
    colour(shapes.box("house", (0.9, 0.7, 0.55), land, (1.2, 0.05, 0.9), bevel=0), "#f6ecdc")
    points = [
        (-0.55, -0.45, 0),
        (0.55, -0.45, 0),
        (0.55, 0.45, 0),
        (-0.55, 0.45, 0),
        (-0.55, 0, 0.42),
        (0.55, 0, 0.42),
    ]
    faces = [(0, 1, 5, 4), (2, 3, 4, 5), (0, 4, 3), (1, 2, 5), (3, 2, 1, 0)]
    colour(shapes.thing("slate", shapes.mesh("slate", points, faces), land, (1.2, 0.05, 1.45)), "#4b5875")
    for x in (0.98, 1.42):
        shapes.box("window", (0.16, 0.02, 0.2), bpy.data.materials["glow"], (x, -0.31, 1.1), bevel=0)


def boat(land: bpy.types.Material) -> None:
    """A sailing boat."""
    ring = [(0.62 * math.cos(a), 0.2 * math.sin(a)) for a in (2 * math.pi * k / 16 for k in range(16))]
    points = [(x * 0.75, y * 0.6, 0) for x, y in ring] + [(x, y, 0.24 + 0.08 * x * x) for x, y in ring]
    faces = [(k, (k + 1) % 16, 16 + (k + 1) % 16, 16 + k) for k in range(16)] + [tuple(range(16, 32))]
    at = (3.6, -2.3, 0.0)
    colour(shapes.thing("hull", shapes.mesh("hull", points, faces), land, at), "#a8483b")
    colour(shapes.lathe("mast", [(0.02, 0), (0.02, 1.35)], land, at, turns=8), "#6b4a3c")
    sails = [
        (0.03, 0, 0.36),
        (0.55, 0.08, 0.4),
        (0.03, 0, 1.32),
        (-0.03, 0, 0.36),
        (-0.42, 0.06, 0.4),
        (-0.03, 0, 1.15),
    ]
    colour(shapes.thing("sails", shapes.mesh("sails", sails, [(0, 1, 2), (3, 5, 4)]), land, at), "#fbf3e4")


if __name__ == "__main__":
    studio.make(build)
