"""A courtyard by a pool in the evening: plaster arches, brass, glass and still water."""

from __future__ import annotations

import math

import bpy

import shapes
import studio

PLASTER, SHADE, TEAL = "#d98f74", "#c9755f", "#1f5f66"


def build() -> None:
    """The hero picture: 960×540, Cycles."""
    studio.cycles(960, 540, 32, bounces=5, exposure=0.35)
    studio.sky(
        [
            (-1, "#d9a58c"),
            (0.0, "#ffd09a"),
            (0.05, "#ffae86"),
            (0.13, "#d98f9c"),
            (0.3, "#6f8fc4"),
            (1, "#2f5f9c"),
        ],
        0.8,
    )
    studio.sun((0.88, 0.42, -0.40), 6.0, colour="#ffcf94", softness=0.7)
    studio.camera((0.55, -13.2, 2.0), (0.2, 0.4, 2.0), 42.5, f_stop=1.4)
    plaster = studio.grain(studio.material("plaster", PLASTER, 0.85), 0.35, 0.02, tint="#e2a286")
    pale = studio.grain(studio.material("pale plaster", "#efd6c0", 0.85), 0.3, 0.015, tint="#f5e3d2")
    pool()
    terrace(pale)
    arcade(plaster, SHADE)
    stairs(plaster)
    treasures(pale)
    garden()
    palm_shadow()
    hills()


def pool() -> None:
    """Water with ripples finer than its reflections."""
    water = studio.material("water", "#0f4a50", 0.03, specular_ior_level=0.9)
    shapes.sheet("pool", 200, studio.grain(water, 0.55, 0.006))


def terrace(look: bpy.types.Material) -> None:
    """Three low steps at the water."""
    for step in range(3):
        size = (15.0 - step * 0.9, 5.2 - step * 0.7, 0.22)
        shapes.box("terrace", size, look, (0, 2.6 + step * 0.35, step * 0.22 - 0.06), bevel=0.03)


def arch(width: float, height: float, at: float) -> list[tuple[float, float]]:
    """The outline of an opening with a round arch, from the ground up."""
    radius, spring = width / 2, height - width / 2
    head = [
        (at + radius * math.cos(a), spring + radius * math.sin(a))
        for a in (math.pi * k / 40 for k in range(41))
    ]
    return [(at + radius, 0.0), *head, (at - radius, 0.0)]


def slab(
    name: str, outline: list[tuple[float, float]], thickness: float, look: bpy.types.Material
) -> bpy.types.Object:
    """An outline in the upright plane, extruded, its edges rounded."""
    curve = bpy.data.curves.new(name, "CURVE")
    curve.dimensions, curve.fill_mode = "2D", "BOTH"
    curve.extrude, curve.bevel_depth, curve.bevel_resolution = thickness / 2 - 0.03, 0.03, 2
    spline = curve.splines.new("POLY")
    spline.points.add(len(outline) - 1)
    for point, (x, y) in zip(spline.points, outline, strict=True):
        point.co = (x, y, 0, 1)
    spline.use_cyclic_u = True
    made = shapes.thing(name, curve, look)
    made.rotation_euler = (math.pi / 2, 0, 0)
    return made


def arcade(front: bpy.types.Material, shade: str) -> None:
    """A facade with three openings, the middle one high, and a facade with one opening behind it."""
    outline = [(-6.2, 0.0)]
    for width, height, at in ((1.7, 2.7, -3.9), (2.5, 3.7, -0.4), (1.7, 2.7, 3.1)):
        outline += reversed(arch(width, height, at))
    outline += [(6.2, 0.0), (6.2, 3.5), (2.1, 3.5), (2.1, 4.75), (-2.9, 4.75), (-2.9, 3.9), (-6.2, 3.9)]
    slab("arcade", outline, 0.9, front).location = (0, 3.4, 0.58)


def stairs(look: bpy.types.Material) -> None:
    """Steps that lead up to the right and out of the picture."""
    for step in range(9):
        at = (3.55 + step * 0.34, 1.75, 0.55)
        shapes.box("stair", (0.34, 1.2, 0.2 + 0.2 * step), look, at, bevel=0.015)


def treasures(pale: bpy.types.Material) -> None:
    """A glass ball in the middle arch, brass and pearl in front of it, a glazed vase on its plinth."""
    brass = studio.material("brass", "#e0a84e", 0.16, metallic=1.0)
    glass = studio.material("glass", "#c8ece6", 0.0, transmission_weight=1.0, ior=1.45)
    glaze = studio.grain(studio.material("glaze", TEAL, 0.18, coat_weight=0.6), 0.5, 0.01, tint="#2f8580")
    shapes.ball("brass ball", 0.62, brass, (1.55, 0.91, 1.0))
    shapes.ball("glass ball", 0.62, glass, (-0.42, 2.1, 1.22))
    pearl = studio.material("pearl", "#f4e4d8", 0.25, coat_weight=0.4)
    shapes.ball("pearl", 0.3, pearl, (0.42, 0.3, 0.46))
    shapes.ball("small brass ball", 0.17, brass, (-0.35, 0.12, 0.33))
    shapes.lathe("plinth", [(0, 0), (0.42, 0), (0.42, 0.9), (0.40, 0.92), (0, 0.92)], pale, (-2.2, 1.9, 0.6))
    profile = [
        (0, 0),
        (0.16, 0),
        (0.2, 0.03),
        (0.36, 0.3),
        (0.40, 0.5),
        (0.34, 0.72),
        (0.17, 0.9),
        (0.11, 1.02),
    ]
    profile += [(0.12, 1.14), (0.17, 1.2), (0.15, 1.2), (0.09, 1.1), (0.08, 1.0)]
    vase = shapes.lathe("vase", profile, glaze, (-2.2, 1.9, 1.52))
    vase.modifiers.new("round", "SUBSURF").render_levels = 2


def garden() -> None:
    """Cypresses behind the arcade, each a few thousand leaves on a slender cone."""
    leaf = studio.material("leaf", "#5d7d4c", 0.7)
    dice = studio.dice(5)
    for x, y, height in ((-7.4, 6.2, 6.2), (-5.3, 8.0, 5.4), (6.7, 7.0, 6.6), (8.2, 9.0, 5.6)):
        points: list[tuple[float, float, float]] = []
        for _ in range(5000):
            up = dice.random() ** 0.8
            radius = (
                0.75
                * height
                / 6
                * math.sin(math.pi * min(1.0, up * 0.9 + 0.1)) ** 0.7
                * (0.75 + 0.3 * dice.random())
            )
            angle = dice.uniform(0, 2 * math.pi)
            middle = (radius * math.cos(angle), radius * math.sin(angle), up * height)
            points += [
                tuple(c + dice.uniform(-0.11, 0.11) * s for c, s in zip(middle, (1, 1, 1.6), strict=True))
                for _corner in range(3)
            ]
        faces = [(k, k + 1, k + 2) for k in range(0, len(points), 3)]
        shapes.thing("cypress", shapes.mesh("cypress", points, faces), leaf, (x, y, 0))


def palm_shadow() -> None:
    """A fan of leaves outside the picture, turned to the sun, whose shadow falls on the facade."""
    leaf = studio.material("fan leaf", "#3d5c38", 0.7)
    for blade in range(13):
        turn, length = math.radians(-55 + blade * 24), 1.7 + 0.25 * math.sin(blade * 2.1)
        points = []
        for k in range(13):
            along, half = length * k / 12, 0.17 * math.sin(math.pi * (k / 12) ** 0.8)
            droop = -0.14 * along * along
            for side in (-half, half):
                x = along * math.cos(turn) - side * math.sin(turn)
                points.append((x, 0.0, along * math.sin(turn) + side * math.cos(turn) + droop))
        faces = [(2 * k, 2 * k + 2, 2 * k + 3, 2 * k + 1) for k in range(12)]
        made = shapes.thing("fan", shapes.mesh("fan", points, faces), leaf, (-8.9, -0.6, 7.0))
        made.rotation_euler = (0, 0, math.atan2(0.42, 0.88) - math.pi / 2)


def hills() -> None:
    """Three ranges, paler with distance, and the moon above them."""
    for distance, height, colour, phase in (
        (60, 4.0, "#8d7f93", 0.4),
        (90, 7.5, "#b394a0", 1.9),
        (130, 11.5, "#d3a9a6", 3.0),
    ):
        haze = studio.material("haze", "#000000", 1.0, emission_color=colour, emission_strength=0.75)
        points = []
        for k in range(161):
            x = (k - 80) * distance / 70
            ridge = (
                math.sin(k * 0.085 + phase) + 0.5 * math.sin(k * 0.19 + 2 * phase) + 0.12 * math.sin(k * 0.6)
            )
            points += [(x, distance, -1.0), (x, distance, height * (0.55 + 0.3 * ridge))]
        faces = [(2 * k, 2 * k + 2, 2 * k + 3, 2 * k + 1) for k in range(160)]
        shapes.thing("hill", shapes.mesh("hill", points, faces), haze)
    glow = studio.material("moon", "#000000", 1.0, emission_color="#fff0dc", emission_strength=1.5)
    moon = shapes.ball("moon", 4.0, glow, (38.0, 170.0, 31.0))
    moon.visible_shadow = False


if __name__ == "__main__":
    studio.make(build)
