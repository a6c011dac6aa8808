"""Pinwheels in the wind, each turning at its own speed while the shutter is open."""

from __future__ import annotations

import math

import bpy

import shapes
import studio

WHEELS = (
    ((-1.75, 0.5, 1.95), 0.62, 30, ("#e4572e", "#f3a712")),
    ((0.15, -0.1, 2.35), 0.86, 15, ("#2e86ab", "#f6f2e7")),
    ((1.95, 0.35, 1.75), 0.56, 55, ("#d1495b", "#edae49")),
    ((-3.25, 2.4, 1.75), 0.5, 22, ("#3b8f7a", "#f6f2e7")),
    ((3.5, 2.6, 2.05), 0.52, 40, ("#7b5ea7", "#f3c6d3")),
)
"""Position, size, degrees per frame, and the two colours."""


def build() -> None:
    """480×270, Cycles, motion blur; frames 1–12."""
    studio.cycles(480, 270, 64, exposure=0.1)
    scene = bpy.context.scene
    scene.render.use_motion_blur, scene.render.motion_blur_shutter = True, 0.55
    scene.frame_end = 12
    studio.sky([(-1, "#cfd8c0"), (0.0, "#ffe3b0"), (0.07, "#a5dcf2"), (0.25, "#3f9fe6"), (1, "#2f7fd0")], 1.1)
    studio.sun((0.5, 0.75, -0.6), 3.6, colour="#fff0d0", softness=2.0)
    studio.camera((0.2, -8.0, 1.7), (0.15, 0, 1.72), 46, f_stop=1.2)
    meadow()
    for at, radius, degrees, colours in WHEELS:
        pinwheel(at, radius, degrees, colours)


def meadow() -> None:
    """A meadow, hills with little woods on them, paler with distance, and clouds."""
    for (x, y), (width, depth, rise), colour, trees in (
        ((0.125, 6.5), (15.1, 10.15, 3.05), "#5f9a3c", 0),
        ((-9.0, 19.0), (13.0, 9.0, 4.7), "#7fb04c", 13),
        ((11.0, 24.0), (17.0, 10.0, 5.9), "#93bd66", 16),
        ((-19.0, 40.0), (24.0, 14.0, 8.4), "#a7caa0", 0),
        ((17.0, 52.0), (30.0, 16.0, 9.8), "#b3d0c4", 0),
    ):
        grass = studio.grain(studio.material("grass", colour, 0.95), 0.4, 0.05)
        hill = shapes.ball("hill", 1.0, grass, (x, y, -3.0))
        hill.scale = (width, depth, rise)
        wood((x, y), (width, depth, rise), trees)
    flowers()
    clouds()


def wood(middle: tuple[float, float], size: shapes.Point, count: int) -> None:
    """Round trees on the near side of a hill, in two groups."""
    dice, look = studio.dice(count), studio.material("tree", "#4a7d45", 0.9)
    for k in range(count):
        across = (-0.28, 0.16)[k % 2] + dice.gauss(0, 0.07)
        near = -0.25 + dice.uniform(-0.12, 0.12)
        high = size[2] * math.sqrt(1 - across * across - near * near) - 3.0
        radius = dice.uniform(0.35, 0.7)
        at = (middle[0] + across * size[0], middle[1] + near * size[1], high + radius * 0.7)
        shapes.ball("tree", radius, look, at).scale = (1, 1, 1.25)


def clouds() -> None:
    """Heaps of white balls in the distance."""
    dice, look = studio.dice(3), studio.material("cloud", "#ffffff", 1.0, emission_color="#dfeaff")
    look.node_tree.nodes["Principled BSDF"].inputs["Emission Strength"].default_value = 0.35
    for x, z, size in ((-21.0, 14.5, 1.0), (7.5, 18.2, 0.8), (25.0, 12.5, 1.2)):
        for k in range(7):
            along = (k - 3) * 1.25 * size + dice.uniform(-0.3, 0.3)
            radius = (1.75 - 0.3 * abs(k - 3) + dice.uniform(-0.25, 0.25)) * size
            shapes.ball("puff", radius, look, (x + along, 70 + dice.uniform(-1, 1), z + radius * 0.5))


def flowers() -> None:
    """Daisies and poppies on the nearest hill; many objects of two meshes."""
    dice = studio.dice(11)
    looks = [studio.material("daisy", "#fffaf0", 0.6), studio.material("poppy", "#e8503a", 0.6)]
    heads = [
        shapes.lathe("flower", [(0, 0), (0.05, 0.02), (0.055, 0.04), (0, 0.05)], look, turns=10)
        for look in looks
    ]
    for _ in range(900):
        x, y = dice.uniform(-7, 7), dice.uniform(-2.6, 4.5)
        rise = 3.05 * math.sqrt(1 - ((x - 0.125) / 15.1) ** 2 - ((y - 6.5) / 10.15) ** 2)
        head = heads[dice.random() < 0.3]
        made = shapes.thing("flower", head.data, at=(x, y, rise - 2.96))
        made.scale = (dice.uniform(0.6, 1.1),) * 3
    for head in heads:
        bpy.data.objects.remove(head)


def pinwheel(at: shapes.Point, radius: float, degrees: float, colours: tuple[str, str]) -> None:
    """A stick with six folded sails that turn in front of it."""
    x, y, z = at
    wood = studio.material("stick", "#d9b98c", 0.6)
    shapes.lathe("stick", [(0.03, -1.0), (0.03, z), (0, z)], wood, (x, y + 0.1, 0), turns=16)
    hub = shapes.ball(
        "hub", radius * 0.1, studio.material("hub", "#f7e3a1", 0.25, metallic=0.8), (x, y - 0.12, z)
    )
    for sail in range(6):
        look = studio.material("sail", colours[sail % 2], 0.45)
        made = shapes.thing("sail", folded(radius), look)
        made.parent = hub
        made.rotation_euler = (0, math.radians(60 * sail), 0)
    spin(hub, degrees)


def folded(radius: float) -> bpy.types.Mesh:
    """One sail: flat at its edge, bowed towards the viewer where its corner is pinned to the hub."""
    points = []
    for row in range(9):
        out = radius * row / 8
        for column in range(9):
            turn = math.radians(54) * column / 8
            bow = -0.28 * radius * math.sin(math.pi * row / 8) * (column / 8) ** 1.5
            points.append((out * math.cos(turn), bow, out * math.sin(turn)))
    faces = [(9 * r + c, 9 * r + c + 1, 9 * r + c + 10, 9 * r + c + 9) for r in range(8) for c in range(8)]
    return shapes.mesh("sail", points, faces, smooth=True)


def spin(made: bpy.types.Object, degrees: float) -> None:
    """Turn an object evenly, from the frame before the first to the frame after the last."""
    for frame in (0, 13):
        made.rotation_euler = (0, math.radians(degrees * frame + 20), 0)
        made.keyframe_insert("rotation_euler", frame=frame)
    for curve in made.animation_data.action.fcurves:
        for key in curve.keyframe_points:
            key.interpolation = "LINEAR"


if __name__ == "__main__":
    studio.make(build)
