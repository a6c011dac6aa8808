"""Three woolly creatures: hair curves, with every strand computed from a fixed seed."""

from __future__ import annotations

import math

import bpy
import numpy as np
import numpy.typing as npt
from mathutils import Vector

import shapes
import studio

Points = npt.NDArray[np.float64]

STEPS = 7
"""Points along one strand."""


def build() -> None:
    """480×270, Cycles, hair."""
    studio.cycles(480, 270, 48, exposure=0.1)
    bpy.context.scene.cycles_curves.shape = "RIBBONS"
    studio.sky([(-1, "#8a7f78"), (1, "#dfe9ee")], 0.4)
    studio.lamp((-3.4, -2.6, 3.6), (0, 0, 0.6), 260, size=1.6, colour="#ffe2c0")
    studio.lamp((3.6, 1.4, 2.6), (0, 0, 0.7), 240, size=1.4, colour="#ffc9b5")
    studio.camera((0.05, -6.0, 1.25), (0.0, 0, 0.72), 44, f_stop=2.4)
    shapes.backdrop("backdrop", studio.material("paper", "#a8cdc6", 0.9), depth=3.0)
    creature((-0.12, 0.1, 0.86), 0.78, ("#e8674a", "#ffb37c"), seed=1)
    creature((-1.62, -0.25, 0.5), 0.42, ("#e9b23f", "#fff0b0"), seed=2)
    creature((1.42, -0.3, 0.56), 0.48, ("#4d6fb3", "#a9c8f5"), seed=3)


def creature(at: shapes.Point, radius: float, colours: tuple[str, str], *, seed: int) -> None:
    """A ball of wool with two eyes that look at the camera."""
    skin = studio.material("skin", colours[0], 0.9)
    shapes.ball("body", radius, skin, at)
    wool(at, radius, colours, seed)
    white = studio.material("white", "#fbf7f0", 0.15, coat_weight=1.0)
    black = studio.material("black", "#15131a", 0.1, coat_weight=1.0)
    for side in (-1, 1):
        ahead = Vector((side * 0.30, -1.0, 0.30)).normalized()
        middle = Vector(at) + ahead * radius * 1.12
        shapes.ball("eye", radius * 0.235, white, tuple(middle))
        gaze = (Vector((0.05, -6.0, 1.25)) - middle).normalized()
        shapes.ball("pupil", radius * 0.13, black, tuple(middle + gaze * radius * 0.135))


def wool(at: shapes.Point, radius: float, colours: tuple[str, str], seed: int) -> None:
    """Strands all over a ball, slightly drooping and curled."""
    dice = np.random.default_rng(seed)
    count = int(9000 * radius**0.5)
    roots = spread(count)
    strands = grow(roots, radius, dice)
    data = bpy.data.hair_curves.new("wool")
    data.add_curves([STEPS] * count)
    places = np.round(strands.reshape(-1) * 4096) / 4096
    data.attributes["position"].data.foreach_set("vector", places.astype(np.float32))
    thickness = data.attributes.new("radius", "FLOAT", "POINT")
    taper = np.linspace(1.0, 0.25, STEPS) * 0.0075 * radius**0.5
    thickness.data.foreach_set("value", np.tile(taper, count).astype(np.float32))
    shapes.thing("wool", data, coloured(colours), at)


def spread(count: int) -> Points:
    """Directions spread evenly over a sphere, by the golden angle."""
    k = np.arange(count) + 0.5
    up = 1 - 2 * k / count
    turn = k * math.pi * (3 - math.sqrt(5))
    across = np.sqrt(1 - up * up)
    return np.stack([across * np.cos(turn), across * np.sin(turn), up], axis=1)


def grow(roots: Points, radius: float, dice: np.random.Generator) -> Points:
    """Strands of shape (count, STEPS, 3) that start on the ball and hang down, in clumps."""
    along = np.linspace(0, 1, STEPS)[None, :, None]
    swirl = np.stack(
        [np.sin(7 * roots[:, 1] + 2), np.sin(6 * roots[:, 2]), np.sin(8 * roots[:, 0] + 1)], axis=1
    )
    heading = roots + 0.35 * swirl + dice.normal(0, 0.16, roots.shape)
    heading /= np.linalg.norm(heading, axis=1, keepdims=True)
    length = radius * (0.40 + 0.10 * dice.random((len(roots), 1, 1)))
    fall = np.array([0, 0, -1.0]) * 0.42 * radius * along**2
    phase = dice.uniform(0, 2 * math.pi, (len(roots), 1, 1))
    curl = (
        0.035
        * radius
        * along
        * np.concatenate(
            [np.sin(9 * along + phase), np.cos(9 * along + phase), np.sin(7 * along + phase)], axis=2
        )
    )
    return roots[:, None, :] * radius * 0.98 + heading[:, None, :] * length * along + fall + curl


def coloured(colours: tuple[str, str]) -> bpy.types.Material:
    """Wool that grows paler towards its tips."""
    made = studio.material("wool", colours[0], 0.65)
    nodes, links = made.node_tree.nodes, made.node_tree.links
    strand, ramp = nodes.new("ShaderNodeHairInfo"), nodes.new("ShaderNodeValToRGB")
    studio.fill_ramp(ramp.color_ramp, [(0.1, colours[0]), (1.0, colours[1])])
    links.new(strand.outputs["Intercept"], ramp.inputs["Fac"])
    links.new(ramp.outputs["Color"], nodes["Principled BSDF"].inputs["Base Color"])
    return made


if __name__ == "__main__":
    studio.make(build)
