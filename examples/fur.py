"""A rug and three balls of long hair: dense strands through which light scatters many times."""

from __future__ import annotations

import math

import bpy
import numpy as np
import numpy.typing as npt

import shapes
import studio

Points = npt.NDArray[np.float64]

STEPS = 6
"""Points along one strand."""


def build() -> None:
    """480×270, Cycles, 50 000 strands with the scattering of hair."""
    studio.cycles(480, 270, 128, bounces=16, exposure=0.25)
    settings = bpy.context.scene.cycles
    settings.glossy_bounces = settings.transmission_bounces = 16
    settings.sample_clamp_indirect = 0.0
    settings.transparent_max_bounces = 64
    bpy.context.scene.cycles_curves.shape = "THICK"
    studio.sky([(-1, "#5a4a48"), (1, "#a9b9d0")], 0.35)
    studio.lamp((-2.8, 2.4, 2.4), (0, 0, 0.4), 380, size=0.5, colour="#ffcf9a")
    studio.lamp((3.2, -1.6, 3.0), (0, 0, 0.4), 170, size=0.7, colour="#bcd4ff")
    studio.camera((0.0, -4.6, 1.9), (0.0, 0.1, 0.5), 43, f_stop=2.8)
    shapes.backdrop("floor", studio.grain(studio.material("floor", "#a98467", 0.7), 0.4, 0.01), depth=2.4)
    rug(24_000)
    for at, size, melanin, seed in (
        ((-0.95, 0.35, 0.62), 0.42, 0.25, 31),
        ((0.05, 0.5, 0.74), 0.55, 0.55, 32),
        ((1.05, 0.3, 0.6), 0.4, 0.95, 33),
    ):
        ball(at, size, melanin, seed)


def strands(
    name: str, places: Points, thickness: float, melanin: float, at: shapes.Point = (0, 0, 0)
) -> None:
    """Hair through these points, of shape (count, STEPS, 3), metres; `thickness` is that of its roots."""
    count = len(places)
    data = bpy.data.hair_curves.new(name)
    data.add_curves([STEPS] * count)
    # Rounded, so that the file is small.
    rounded = np.round(places.reshape(-1) * 2048) / 2048
    data.attributes["position"].data.foreach_set("vector", rounded.astype(np.float32))
    radius = data.attributes.new("radius", "FLOAT", "POINT")
    taper = np.linspace(1.0, 0.3, STEPS) * thickness
    radius.data.foreach_set("value", np.tile(taper, count).astype(np.float32))
    shapes.thing(name, data, hair(name, melanin), at)


def hair(name: str, melanin: float) -> bpy.types.Material:
    """Hair by its pigment: 0 is white, 1 black."""
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    nodes, links = made.node_tree.nodes, made.node_tree.links
    nodes.clear()
    shader = nodes.new("ShaderNodeBsdfHairPrincipled")
    shader.parametrization = "MELANIN"
    shader.inputs["Melanin"].default_value = melanin
    shader.inputs["Melanin Redness"].default_value = 0.7
    shader.inputs["Roughness"].default_value = 0.28
    shader.inputs["Random Color"].default_value = 0.4
    links.new(shader.outputs["BSDF"], nodes.new("ShaderNodeOutputMaterial").inputs["Surface"])
    return made


def rug(count: int) -> None:
    """A round rug, its hair combed in a whirl."""
    dice = np.random.default_rng(30)
    k = np.arange(count) + 0.5
    radius, turn = 1.9 * np.sqrt(k / count), k * math.pi * (3 - math.sqrt(5))
    roots = np.stack([radius * np.cos(turn), 0.72 * radius * np.sin(turn), np.full(count, 0.01)], axis=1)
    lean = np.stack([-np.sin(turn * 1.0 + radius), np.cos(turn + radius), np.full(count, 1.5)], axis=1)
    lean += dice.normal(0, 0.35, lean.shape)
    lean /= np.linalg.norm(lean, axis=1, keepdims=True)
    along = np.linspace(0, 1, STEPS)[None, :, None]
    length = 0.22 * (0.7 + 0.5 * dice.random((count, 1, 1)))
    fall = np.array([0, 0, -0.09]) * along**2
    strands("rug", roots[:, None, :] + lean[:, None, :] * length * along + fall, 0.0035, 0.08)


def ball(at: shapes.Point, size: float, melanin: float, seed: int) -> None:
    """A ball of long hair that hangs down, parted at its top."""
    dice = np.random.default_rng(seed)
    count = int(20_000 * size)
    k = np.arange(count) + 0.5
    up, turn = 1 - 2 * k / count, k * math.pi * (3 - math.sqrt(5))
    across = np.sqrt(1 - up * up)
    roots = np.stack([across * np.cos(turn), across * np.sin(turn), up], axis=1)
    heading = roots + dice.normal(0, 0.12, roots.shape)
    heading /= np.linalg.norm(heading, axis=1, keepdims=True)
    along = np.linspace(0, 1, STEPS)[None, :, None]
    length = size * (0.6 + 0.2 * dice.random((count, 1, 1)))
    fall = np.array([0, 0, -0.5 * size]) * along**2
    shapes.ball("skin", size * 0.97, studio.material("skin", "#3a2a22", 0.9), at)
    strands(
        "ball", roots[:, None, :] * size + heading[:, None, :] * length * along + fall, 0.003, melanin, at
    )


if __name__ == "__main__":
    studio.make(build)
