"""A glassblower's table by one small lamp: glass in glass, mirrors, caustics, and paths of many bounces."""

from __future__ import annotations

import math

import bpy

import shapes
import studio

BOUNCES = 24


def build() -> None:
    """480×270, Cycles, caustics; nothing is clamped."""
    studio.cycles(480, 270, 128, bounces=BOUNCES, exposure=0.3)
    settings = bpy.context.scene.cycles
    settings.caustics_reflective = settings.caustics_refractive = True
    settings.glossy_bounces = settings.transmission_bounces = BOUNCES
    settings.sample_clamp_indirect, settings.blur_glossy = 0.0, 0.0
    studio.sky([(-1, "#40342c"), (1, "#8fa3b8")], 0.12)
    studio.lamp((-2.6, -0.6, 3.4), (0, 0.2, 0.3), 210, size=0.22, colour="#ffd9a0")
    studio.lamp((3.0, 1.8, 2.0), (0, 0.3, 0.5), 60, size=0.2, colour="#a8c8ff")
    studio.camera((0.1, -5.4, 1.75), (0.05, 0.2, 0.62), 46, f_stop=4.0)
    wood = studio.grain(studio.material("table", "#c9a27c", 0.6), 0.25, 0.004, tint="#b98d63")
    shapes.backdrop("table", wood, depth=2.6)
    mirrors()
    vessels()
    marbles()
    gem((0.32, -0.95, 0.27), 0.27)


def glass(name: str, colour: studio.Colour, index: float = 1.5) -> bpy.types.Material:
    """Clear glass of a refractive index."""
    return studio.material(name, colour, 0.0, transmission_weight=1.0, ior=index)


def mirrors() -> None:
    """Two upright mirrors, turned to each other, so that light goes to and fro between them."""
    silver = studio.material("silver", "#f4f4f0", 0.02, metallic=1.0)
    for side in (-1, 1):
        made = shapes.box("mirror", (0.05, 2.2, 1.9), silver, (side * 2.05, 0.75, 0.0), bevel=0.01)
        made.rotation_euler = (0, 0, math.radians(side * -7))


def vessels() -> None:
    """A carafe with water, two goblets, and a bowl."""
    clear = glass("clear", "#f4fbfa")
    outer = [
        (0, 0),
        (0.36, 0),
        (0.42, 0.05),
        (0.44, 0.35),
        (0.30, 0.72),
        (0.13, 0.95),
        (0.12, 1.2),
        (0.2, 1.34),
    ]
    inner = [(0.185, 1.34), (0.1, 1.2), (0.11, 0.95), (0.27, 0.70), (0.40, 0.35), (0.38, 0.09), (0, 0.06)]
    shapes.lathe("carafe", outer + inner, clear, (-0.55, 0.75, 0.002))
    water = [(0, 0.062), (0.379, 0.092), (0.399, 0.35), (0.34, 0.5), (0, 0.5)]
    shapes.lathe("water", water, glass("water", "#cfeff0", 1.33), (-0.55, 0.75, 0.002))
    cup = [
        (0, 0),
        (0.26, 0),
        (0.26, 0.02),
        (0.05, 0.06),
        (0.04, 0.34),
        (0.22, 0.5),
        (0.27, 0.78),
        (0.25, 0.95),
    ]
    hollow = [(0.235, 0.95), (0.25, 0.78), (0.2, 0.53), (0, 0.42)]
    shapes.lathe("goblet", cup + hollow, glass("rose", "#ffb9c4"), (0.55, 0.85, 0.002))
    shapes.lathe("goblet", cup + hollow, glass("lime", "#c8f0b0"), (1.15, 0.25, 0.002))
    bowl = [(0, 0), (0.2, 0), (0.5, 0.22), (0.62, 0.42), (0.59, 0.43), (0.46, 0.25), (0.18, 0.05), (0, 0.05)]
    shapes.lathe("bowl", bowl, glass("amber", "#ffcf85"), (-1.15, -0.25, 0.002))


def marbles() -> None:
    """Balls of coloured glass, some with a brass ball within."""
    dice = studio.dice(23)
    brass = studio.material("brass", "#e0a84e", 0.08, metallic=1.0)
    looks = [glass("blue", "#8fb8ff"), glass("green", "#9fe0b0"), glass("clear ball", "#ffffff", 1.6)]
    for k in range(13):
        radius = dice.uniform(0.09, 0.17)
        x, y = -0.85 + 0.2 * k + dice.uniform(-0.05, 0.05), -1.15 + 0.5 * (k % 3) + dice.uniform(-0.06, 0.06)
        if (x - 0.32) ** 2 + (y + 0.95) ** 2 < 0.25 or x > 1.6:
            continue
        shapes.ball("marble", radius, looks[k % 3], (x, y, radius))
        if k % 2:
            shapes.ball("core", radius * 0.45, brass, (x, y, radius))


def gem(at: shapes.Point, radius: float) -> None:
    """A faceted stone: rings of eight corners."""
    rings = ((0.0, -1.0, 0), (0.95, 0.05, 0), (1.0, 0.12, 1), (0.62, 0.45, 0))
    points: list[shapes.Point] = []
    for across, height, turned in rings:
        for k in range(8):
            angle = math.pi * (2 * k + turned) / 8
            points.append(
                (radius * across * math.cos(angle), radius * across * math.sin(angle), radius * height)
            )
    faces = []
    for ring in range(3):
        for k in range(8):
            low, after = 8 * ring, (k + 1) % 8
            faces += [(low + k, low + after, low + 8 + k), (low + after, low + 8 + after, low + 8 + k)]
    faces.append(tuple(range(24, 32)))
    shapes.thing("gem", shapes.mesh("gem", points, faces), glass("diamond", "#ffffff", 2.2), at)


if __name__ == "__main__":
    studio.make(build)
