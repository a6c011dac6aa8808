"""A tiled room with a painting: all textures are computed with numpy and packed into the scene."""

from __future__ import annotations

import math

import bpy
import numpy as np
import numpy.typing as npt

import shapes
import studio

Grid = npt.NDArray[np.float64]
"""A picture of (height, width, 3) floats from 0 to 1, sRGB, the first row at the bottom."""


def build() -> None:
    """480×270, Cycles, image textures."""
    studio.cycles(480, 270, 64, exposure=0.1)
    studio.sky([(-1, "#6a5a50"), (1, "#cfe0ee")], 0.35)
    studio.lamp((-4.2, -2.2, 3.6), (0.4, 1.2, 0.6), 420, size=1.6, colour="#ffe4bd")
    studio.lamp((4.5, -4.0, 3.0), (0, 1, 1), 60, size=3.0, colour="#b9d2ff")
    studio.camera((0.12, -5.0, 1.5), (0.12, 1.0, 0.98), 46, f_stop=2.0)
    floor = pictured("azulejo", tiles(384), roughness=0.16, repeat=9)
    shapes.sheet("floor", 9, floor)
    plaster = studio.grain(studio.material("lime plaster", "#e9dcc6", 0.9), 0.5, 0.01, tint="#f1e7d6")
    shapes.box("backdrop", (12, 0.2, 5), plaster, (0, 2.6, 0), bevel=0)
    shapes.box("skirting", (12, 0.06, 0.16), studio.material("skirting", "#27456e", 0.4), (0, 2.47, 0))
    painting()
    pottery()


def pictured(name: str, pixels: Grid, *, roughness: float, repeat: float = 1.0) -> bpy.types.Material:
    """A material with an image texture that is packed into the scene."""
    height, width, _ = pixels.shape
    image = bpy.data.images.new(name, width, height)
    image.pixels.foreach_set(np.dstack([pixels, np.ones((height, width))]).astype(np.float32).ravel())
    image.pack()
    made = studio.material(name, "#ffffff", roughness)
    nodes, links = made.node_tree.nodes, made.node_tree.links
    place, scale = nodes.new("ShaderNodeTexCoord"), nodes.new("ShaderNodeMapping")
    scale.inputs["Scale"].default_value = (repeat, repeat, 1)
    texture = nodes.new("ShaderNodeTexImage")
    texture.image = image
    links.new(place.outputs["Generated"], scale.inputs["Vector"])
    links.new(scale.outputs["Vector"], texture.inputs["Vector"])
    links.new(texture.outputs["Color"], nodes["Principled BSDF"].inputs["Base Color"])
    return made


def rgb(colour: studio.Colour) -> Grid:
    """`#rrggbb` as three floats, still sRGB."""
    return np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255


def paint(canvas: Grid, where: npt.NDArray[np.bool_] | Grid, colour: studio.Colour) -> Grid:
    """The canvas with a colour blended over it; `where` is the strength (0 to 1)."""
    weight = np.asarray(where, dtype=float)[..., None]
    return canvas * (1 - weight) + rgb(colour) * weight


def tiles(size: int) -> Grid:
    """One glazed tile: a star, petals and quarter circles at the corners, blue and ochre on white."""
    y, x = np.mgrid[0:size, 0:size] / size * 2 - 1 + 1 / size
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    corner = np.hypot(1 - np.abs(x), 1 - np.abs(y))
    edge = 3 / size

    def soft(distance: Grid) -> Grid:
        return np.clip(0.5 - distance / edge, 0, 1)

    canvas = np.broadcast_to(rgb("#f4efe2"), (size, size, 3)).copy()
    petal = radius - 0.88 * np.abs(np.cos(2 * angle)) ** 0.7
    for distance, colour in (
        (petal, "#2f5d9b"),
        (petal + 0.1, "#f4efe2"),
        (radius - 0.56 * np.abs(np.cos(2 * angle + math.pi / 2)) ** 0.45 - 0.06, "#1d3c72"),
        (radius - 0.30, "#f4efe2"),
        (radius - 0.25 - 0.04 * np.cos(8 * angle), "#d9983a"),
        (radius - 0.09, "#1d3c72"),
        (np.abs(corner - 0.46) - 0.05, "#1d3c72"),
        (np.abs(corner - 0.34) - 0.03, "#d9983a"),
        (corner - 0.2, "#2f5d9b"),
    ):
        canvas = paint(canvas, soft(distance), colour)
    joint = np.minimum(1 - np.abs(x), 1 - np.abs(y)) < 0.018
    return paint(canvas, joint, "#b8ad98")


def evening(width: int, height: int) -> Grid:
    """A painting: a low sun, its glow, and five ranges of hills."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    x, y = x / width, y / height
    canvas = np.broadcast_to(rgb("#f3b56b"), (height, width, 3)).copy()
    canvas = paint(canvas, np.clip((y - 0.45) / 0.55, 0, 1), "#3f6d8e")
    aspect = width / height
    sun = np.hypot((x - 0.63) * aspect, y - 0.60)
    canvas = paint(canvas, np.exp(-((sun / 0.32) ** 2)) * 0.8, "#ffdf9e")
    canvas = paint(canvas, np.clip((0.105 - sun) * height / 2, 0, 1), "#fff3d2")
    for rank, colour in enumerate(("#d98a62", "#b56a5d", "#84505a", "#533f55", "#2a2b42")):
        top = 0.52 - 0.095 * rank
        ridge = np.sin(x * (5 + 2.3 * rank) + 1.7 * rank) * 0.055 + np.sin(x * (13 + rank * 5) + rank) * 0.02
        canvas = paint(canvas, np.clip((top + ridge - y) * height / 2, 0, 1), colour)
    weave = np.random.default_rng(3).normal(0, 0.018, (height, width, 1))
    return np.clip(canvas + weave, 0, 1)


def stripes(size: int) -> Grid:
    """Bands of a painted vase, bottom to top, with a frieze of diamonds."""
    y, x = np.mgrid[0:size, 0:size] / size
    canvas = np.broadcast_to(rgb("#efe2c8"), (size, size, 3)).copy()
    for low, high, colour in (
        (0, 0.16, "#9c3f2c"),
        (0.22, 0.26, "#1f3f5b"),
        (0.66, 0.70, "#1f3f5b"),
        (0.8, 1, "#9c3f2c"),
    ):
        canvas = paint(canvas, (y >= low) & (y < high), colour)
    diamond = np.abs((x * 12) % 1 - 0.5) + np.abs((y - 0.46) / 0.34)
    canvas = paint(canvas, diamond < 0.5, "#9c3f2c")
    return paint(canvas, diamond < 0.24, "#e3a23c")


def painting() -> None:
    """The framed canvas in the room."""
    canvas = pictured("evening", evening(512, 320), roughness=0.5)
    points = [(-0.8, 0, -0.5), (0.8, 0, -0.5), (0.8, 0, 0.5), (-0.8, 0, 0.5)]
    made = shapes.mesh("painting", points, [(0, 1, 2, 3)])
    uv = made.uv_layers.new(name="uv")
    uv.data.foreach_set("uv", [0, 0, 1, 0, 1, 1, 0, 1])
    use_uv(canvas)
    shapes.thing("painting", made, canvas, (0.25, 2.44, 1.62))
    gold = studio.material("gold", "#c9953f", 0.3, metallic=1.0)
    for x, z, size in ((0, -0.53, (1.72, 0.1, 0.06)), (0, 0.47, (1.72, 0.1, 0.06))):
        shapes.box("frame", size, gold, (0.25 + x, 2.44, 1.62 + z), bevel=0.015)
    for x in (-0.83, 0.83):
        shapes.box("frame", (0.06, 0.1, 1.0), gold, (0.25 + x, 2.44, 1.12), bevel=0.015)


def use_uv(made: bpy.types.Material) -> None:
    """Map a material's texture by UV instead of by the object's bounds."""
    nodes, links = made.node_tree.nodes, made.node_tree.links
    place = next(node for node in nodes if node.bl_idname == "ShaderNodeTexCoord")
    scale = next(node for node in nodes if node.bl_idname == "ShaderNodeMapping")
    links.new(place.outputs["UV"], scale.inputs["Vector"])


def pottery() -> None:
    """A painted vase, an orange and a bowl."""
    profile = [
        (0, 0),
        (0.2, 0),
        (0.22, 0.02),
        (0.4, 0.28),
        (0.47, 0.52),
        (0.43, 0.76),
        (0.28, 0.96),
        (0.19, 1.1),
    ]
    profile += [(0.2, 1.2), (0.27, 1.28), (0.25, 1.28), (0.17, 1.18), (0.15, 1.0)]
    vase = shapes.lathe("vase", profile, pictured("stripes", stripes(512), roughness=0.22), (-1.25, 1.25, 0))
    wrap(vase.data, 1.28)
    use_uv(vase.data.materials[0])
    vase.modifiers.new("round", "SUBSURF").render_levels = 2
    orange = studio.grain(studio.material("orange", "#e0822a", 0.42), 0.02, 0.003)
    for at in (
        (-0.42, 0.55, 0.17),
        (0.0, 0.82, 0.17),
        (1.35, 1.02, 0.40),
        (1.62, 1.1, 0.38),
        (1.48, 0.86, 0.38),
    ):
        shapes.ball("orange", 0.17, orange, at)
    glaze = studio.material("glaze", "#2f5d9b", 0.15, coat_weight=0.5)
    bowl = [
        (0, 0.03),
        (0.2, 0),
        (0.22, 0.04),
        (0.42, 0.2),
        (0.5, 0.36),
        (0.48, 0.37),
        (0.38, 0.22),
        (0.2, 0.1),
        (0, 0.08),
    ]
    shapes.lathe("bowl", bowl, glaze, (1.48, 1.0, 0)).modifiers.new("round", "SUBSURF").render_levels = 2


def wrap(body: bpy.types.Mesh, height: float) -> None:
    """UVs for a turned body: 0 to 1 around it, and 0 to 1 along its height."""
    layer = body.uv_layers.new(name="uv")
    for face in body.polygons:
        turns = [
            math.atan2(body.vertices[v].co.y, body.vertices[v].co.x) / (2 * math.pi) % 1
            for v in face.vertices
        ]
        for loop, vertex, turn in zip(face.loop_indices, face.vertices, turns, strict=True):
            seam = turn < 0.25 and max(turns) > 0.75
            layer.data[loop].uv = (turn + seam, body.vertices[vertex].co.z / height)


if __name__ == "__main__":
    studio.make(build)
