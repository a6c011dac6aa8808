"""Balloons drift over mountains, frames 1–24: complex static ground, fast frames.

The ground has 16 faces in the file and half a million triangles when rendered. Preparing it takes as long as
rendering a frame's pixels, so keeping it between frames saves that time.
"""

from __future__ import annotations

import math

import bpy

import shapes
import studio

FRAMES = 24


def build() -> None:
    """320×180, Cycles; frames 1–24."""
    studio.cycles(320, 180, 2, bounces=2, exposure=0.1)
    scene = bpy.context.scene
    scene.cycles.denoising_quality = "FAST"
    scene.frame_end = FRAMES
    scene.cycles.debug_bvh_type = "DYNAMIC_BVH"
    studio.sky(
        [
            (-1, "#8fa0c0"),
            (0.0, "#ffe0a8"),
            (0.07, "#ffc19a"),
            (0.2, "#a8bdea"),
            (0.45, "#5b8fdb"),
            (1, "#3f74b8"),
        ]
    )
    studio.sun((0.7, 0.5, -0.42), 4.2, colour="#ffd9a8", softness=1.5)
    studio.camera((0, -15.0, 4.2), (0, 0, 2.6), 40)
    mountains()
    lake()
    balloon("#d9483b", "#f6ead6", (-5.2, 0.5, 3.1), (4.6, 1.5, 4.7), 1.0)
    balloon("#2f6f8f", "#f2c14e", (5.6, 7.0, 5.6), (0.4, 8.0, 5.0), 0.8)


def mountains() -> None:
    """A plane, subdivided when rendered and displaced by two layers of noise, higher at the back."""
    snow = studio.material("mountain", "#6f7f6a", 0.95)
    striped(snow)
    side, count = 52.0, 4
    points = [
        (side * (x / count - 0.5), side * (y / count - 0.2), (-4.5, -2.7, -0.5, 0.3, 0.8)[y])
        for y in range(5)
        for x in range(5)
    ]
    faces = [(5 * y + x, 5 * y + x + 1, 5 * y + x + 6, 5 * y + x + 5) for y in range(4) for x in range(4)]
    ground = shapes.thing("mountains", shapes.mesh("mountains", points, faces, smooth=True), snow)
    divide = ground.modifiers.new("divide", "SUBSURF")
    divide.subdivision_type, divide.levels, divide.render_levels = "SIMPLE", 2, 7
    for name, size, strength in (("ranges", 12.0, 3.4), ("rocks", 3.0, 0.5)):
        texture = bpy.data.textures.new(name, "MUSGRAVE")
        texture.musgrave_type, texture.octaves = "RIDGED_MULTIFRACTAL", 6
        texture.dimension_max, texture.noise_scale = 1.3, size
        push = ground.modifiers.new(name, "DISPLACE")
        push.texture, push.texture_coords, push.direction = texture, "GLOBAL", "Z"
        push.strength, push.mid_level = strength, 0.5


def lake() -> None:
    """Still water in the valley."""
    shapes.sheet("lake", 300, studio.material("lake", "#2f5d74", 0.08), (0, 0, -1.0))


def striped(look: bpy.types.Material) -> None:
    """Woods below, rock above, snow on what is high and flat."""
    nodes, links = look.node_tree.nodes, look.node_tree.links
    place, split = nodes.new("ShaderNodeNewGeometry"), nodes.new("ShaderNodeSeparateXYZ")
    scale, ramp = nodes.new("ShaderNodeMapRange"), nodes.new("ShaderNodeValToRGB")
    scale.inputs["From Min"].default_value, scale.inputs["From Max"].default_value = -1.0, 4.0
    studio.fill_ramp(
        ramp.color_ramp,
        [(0.0, "#4a6b4a"), (0.22, "#7d9060"), (0.36, "#8a7a72"), (0.52, "#a08f8c"), (0.62, "#fbf7f4")],
    )
    links.new(place.outputs["Position"], split.inputs["Vector"])
    links.new(split.outputs["Z"], scale.inputs["Value"])
    links.new(scale.outputs["Result"], ramp.inputs["Fac"])
    links.new(ramp.outputs["Color"], nodes["Principled BSDF"].inputs["Base Color"])


def balloon(one: str, two: str, start: shapes.Point, end: shapes.Point, size: float) -> None:
    """A striped balloon with a basket that travels evenly from `start` to `end`."""
    cloth = [studio.material("cloth", one, 0.5), studio.material("cloth", two, 0.5)]
    profile = [
        (0.16, -1.3),
        (0.3, -1.05),
        (0.62, -0.62),
        (0.9, -0.1),
        (0.95, 0.3),
        (0.78, 0.72),
        (0.4, 0.98),
        (0, 1.06),
    ]
    body = shapes.lathe("balloon", profile, cloth[0], turns=48)
    body.data.materials.append(cloth[1])
    for face in body.data.polygons:
        middle = face.center
        face.material_index = int((math.atan2(middle.y, middle.x) / math.pi + 1) * 6) % 2
    basket = shapes.box("basket", (0.3, 0.3, 0.26), studio.material("wicker", "#8a5a34", 0.8), (0, 0, -1.75))
    basket.parent = body
    body.scale = (size,) * 3
    for frame, place in ((1, start), (FRAMES, end)):
        body.location = place
        body.keyframe_insert("location", frame=frame)
    for curve in body.animation_data.action.fcurves:
        for key in curve.keyframe_points:
            key.interpolation = "LINEAR"


if __name__ == "__main__":
    studio.make(build)
