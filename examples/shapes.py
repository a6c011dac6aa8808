"""Shapes for the example scenes: objects from points and faces that are computed here.

Lengths are metres; x is right, y away from the viewer, z up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import bpy

Point = tuple[float, float, float]


def thing(
    name: str, data: bpy.types.ID, look: bpy.types.Material | None = None, at: Point = (0, 0, 0)
) -> bpy.types.Object:
    """Add data to the scene as an object."""
    made = bpy.data.objects.new(name, data)
    made.location = at
    if look is not None:
        data.materials.append(look)
    bpy.context.scene.collection.objects.link(made)
    return made


def mesh(
    name: str, points: Sequence[Sequence[float]], faces: Sequence[Sequence[int]], *, smooth: bool = False
) -> bpy.types.Mesh:
    """A mesh of corners and faces."""
    made = bpy.data.meshes.new(name)
    made.from_pydata([tuple(point) for point in points], [], [tuple(face) for face in faces])
    made.validate()
    if smooth:
        made.shade_smooth()
    return made


def ball(name: str, radius: float, look: bpy.types.Material, at: Point) -> bpy.types.Object:
    """A smooth sphere of 64 by 32 faces."""
    rows = [
        (radius * math.sin(math.pi * row / 32), -radius * math.cos(math.pi * row / 32)) for row in range(33)
    ]
    return lathe(name, rows, look, at)


def lathe(
    name: str,
    profile: Sequence[tuple[float, float]],
    look: bpy.types.Material,
    at: Point = (0, 0, 0),
    turns: int = 64,
) -> bpy.types.Object:
    """A smooth body turned from a profile of (radius, height), from the bottom up."""
    points, faces = [], []
    for radius, height in profile:
        for step in range(turns):
            angle = 2 * math.pi * step / turns
            points.append((radius * math.cos(angle), radius * math.sin(angle), height))
    for row in range(len(profile) - 1):
        for step in range(turns):
            low, after = row * turns, (step + 1) % turns
            faces.append((low + step, low + after, low + turns + after, low + turns + step))
    return thing(name, mesh(name, points, faces, smooth=True), look, at)


def box(
    name: str, size: Point, look: bpy.types.Material, at: Point, *, bevel: float = 0.02
) -> bpy.types.Object:
    """A box standing on `at`, its edges softened by `bevel`."""
    x, y, height = size[0] / 2, size[1] / 2, size[2]
    points = [(sx * x, sy * y, z) for z in (0, height) for sx, sy in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    faces = [(3, 2, 1, 0), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)]
    made = thing(name, mesh(name, points, faces), look, at)
    if bevel:
        soften(made, bevel)
    return made


def soften(made: bpy.types.Object, width: float) -> None:
    """Round an object's edges, so that they catch the light."""
    modifier = made.modifiers.new("edges", "BEVEL")
    modifier.width, modifier.segments, modifier.limit_method = width, 3, "ANGLE"


def sheet(name: str, size: float, look: bpy.types.Material, at: Point = (0, 0, 0)) -> bpy.types.Object:
    """A flat square of `size` metres."""
    half = size / 2
    points = [(-half, -half, 0), (half, -half, 0), (half, half, 0), (-half, half, 0)]
    return thing(name, mesh(name, points, [(0, 1, 2, 3)]), look, at)


def backdrop(
    name: str, look: bpy.types.Material, *, depth: float = 4.0, width: float = 30.0
) -> bpy.types.Object:
    """A floor that curves up to a vertical plane `depth` metres behind the middle, without an edge."""
    curve = [
        (depth + 1.5 * math.sin(a), 1.5 - 1.5 * math.cos(a))
        for a in (math.pi / 2 * k / 24 for k in range(25))
    ]
    line = [(-12.0, 0.0), *curve, (depth + 1.5, 14.0)]
    points = [(side * width / 2, y, z) for y, z in line for side in (-1, 1)]
    faces = [(2 * k, 2 * k + 1, 2 * k + 3, 2 * k + 2) for k in range(len(line) - 1)]
    return thing(name, mesh(name, points, faces, smooth=True), look)
