"""Shared parts of the example scenes: an empty file, reproducible settings, materials, lights, a camera.

Everything here is procedural and deterministic: two runs make scenes that render the same pixels.
Lengths are metres, angles degrees, colours linear RGB unless written as `#rrggbb` (sRGB).
"""

from __future__ import annotations

import argparse
import math
import os
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import bpy
from mathutils import Vector

from shapes import Point, thing

Colour = str
"""An sRGB colour as `#rrggbb`."""


def make(build: Callable[[], None]) -> None:
    """The command line of every scene: `OUT.blend [--scale PERCENT] [--samples N]`."""
    parser = argparse.ArgumentParser(description=build.__doc__)
    parser.add_argument("out", type=Path, help="the scene to write")
    parser.add_argument("--scale", type=int, default=100, help="percent of the full size")
    parser.add_argument("--samples", type=int, help="samples for each pixel")
    given = parser.parse_args()
    write(build, given.out, scale=given.scale, samples=given.samples)
    sys.stdout.flush()
    os._exit(0)  # bpy can hang in its shutdown


def write(build: Callable[[], None], out: Path, *, scale: int = 100, samples: int | None = None) -> None:
    """Build the scene in an empty file and save it compressed, without external files."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    build()
    scene = bpy.context.scene
    scene.render.resolution_percentage = scale
    if samples is not None:
        scene.cycles.samples = samples
        scene.eevee.taa_render_samples = samples
    out.parent.mkdir(parents=True, exist_ok=True)
    bpy.context.preferences.filepaths.save_version = 0
    bpy.ops.wm.save_as_mainfile(filepath=str(out.resolve()), compress=True)
    print(f"{out}  {out.stat().st_size / 1024:.0f} KiB")


def cycles(width: int, height: int, samples: int, *, bounces: int = 6, exposure: float = 0.0) -> None:
    """Path tracing on the CPU with the same pixels each time, then denoised."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    settings = scene.cycles
    settings.device = "CPU"
    settings.samples = samples
    settings.seed = 7
    settings.time_limit = 0.0
    settings.use_adaptive_sampling = True
    settings.adaptive_threshold = 0.02
    settings.use_denoising = True
    settings.denoiser = "OPENIMAGEDENOISE"
    settings.max_bounces = bounces
    settings.diffuse_bounces = min(3, bounces)
    settings.caustics_reflective = False
    settings.caustics_refractive = False
    settings.sample_clamp_indirect = 6.0
    _output(width, height, exposure)


def eevee(width: int, height: int, samples: int, *, exposure: float = 0.0) -> None:
    """Rasterising by BLENDER_EEVEE_NEXT, with ray-traced reflections and soft shadows."""
    scene = bpy.context.scene
    scene.render.engine = "BLENDER_EEVEE_NEXT"
    scene.eevee.taa_render_samples = samples
    scene.eevee.use_raytracing = False
    scene.eevee.use_shadows = True
    _output(width, height, exposure)


def _output(width: int, height: int, exposure: float) -> None:
    """An 8-bit RGB PNG of one frame, in AgX colours."""
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = width, height
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGB"
    scene.render.use_persistent_data = True
    scene.frame_start = scene.frame_end = 1
    scene.view_settings.view_transform = "AgX"
    scene.view_settings.look = "AgX - Medium High Contrast"
    scene.view_settings.exposure = exposure


def dice(seed: int) -> random.Random:
    """Random numbers that are the same each time."""
    return random.Random(seed)  # noqa: S311  # no secret depends on it


def linear(colour: Colour) -> tuple[float, float, float, float]:
    """`#rrggbb` as linear RGB and an alpha of 1."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return red, green, blue, 1.0


def material(
    name: str, colour: Colour, roughness: float = 0.6, **inputs: float | Colour
) -> bpy.types.Material:
    """A Principled material. `inputs` are the names of its sockets, in lower case and with `_` for spaces."""
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    shader = made.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = linear(colour)
    shader.inputs["Roughness"].default_value = roughness
    for key, value in inputs.items():
        socket = next(one for one in shader.inputs if one.name.lower().replace(" ", "_") == key)
        socket.default_value = linear(value) if isinstance(value, str) else value
    return made


def grain(
    made: bpy.types.Material, size: float, depth: float, *, tint: Colour | None = None
) -> bpy.types.Material:
    """Roughen a material's surface: bumps `size` metres wide and `depth` deep, mottled by `tint`."""
    nodes, links = made.node_tree.nodes, made.node_tree.links
    shader = nodes["Principled BSDF"]
    place = nodes.new("ShaderNodeNewGeometry")
    noise = nodes.new("ShaderNodeTexNoise")
    noise.inputs["Scale"].default_value = 1 / size
    noise.inputs["Detail"].default_value = 5.0
    bump = nodes.new("ShaderNodeBump")
    bump.inputs["Distance"].default_value = depth
    links.new(place.outputs["Position"], noise.inputs["Vector"])
    links.new(noise.outputs["Fac"], bump.inputs["Height"])
    links.new(bump.outputs["Normal"], shader.inputs["Normal"])
    if tint is not None:
        base = tuple(shader.inputs["Base Color"].default_value)
        ramp = nodes.new("ShaderNodeValToRGB")
        ramp.color_ramp.elements[0].position, ramp.color_ramp.elements[0].color = 0.35, base
        ramp.color_ramp.elements[1].position, ramp.color_ramp.elements[1].color = 0.75, linear(tint)
        links.new(noise.outputs["Fac"], ramp.inputs["Fac"])
        links.new(ramp.outputs["Color"], shader.inputs["Base Color"])
    return made


def aim(made: bpy.types.Object, at: Point) -> None:
    """Turn a camera or lamp to look at a point."""
    direction = Vector(at) - made.location
    made.rotation_euler = direction.to_track_quat("-Z", "Y").to_euler()


def camera(place: Point, at: Point, lens_mm: float, *, f_stop: float = 0.0) -> bpy.types.Object:
    """The scene's camera, sharp at `at`; an `f_stop` above 0 blurs what is nearer or farther."""
    data = bpy.data.cameras.new("camera")
    data.lens = lens_mm
    made = thing("camera", data, at=place)
    aim(made, at)
    if f_stop > 0:
        data.dof.use_dof = True
        data.dof.focus_distance = (Vector(at) - Vector(place)).length
        data.dof.aperture_fstop = f_stop
    bpy.context.scene.camera = made
    return made


def lamp(
    place: Point, at: Point, watts: float, *, size: float = 2.0, colour: Colour = "#ffffff"
) -> bpy.types.Object:
    """A square softbox that illuminates a point and is itself invisible."""
    data = bpy.data.lights.new("lamp", "AREA")
    data.energy, data.size, data.color = watts, size, linear(colour)[:3]
    made = thing("lamp", data, at=place)
    made.visible_camera = False
    aim(made, at)
    return made


def sun(
    direction: Point, strength: float, *, colour: Colour = "#ffffff", softness: float = 1.0
) -> bpy.types.Object:
    """Sunlight that travels in `direction`; `softness` is the sun's width in degrees."""
    data = bpy.data.lights.new("sun", "SUN")
    data.energy, data.color, data.angle = strength, linear(colour)[:3], math.radians(softness)
    made = thing("sun", data, at=(0, 0, 20))
    made.rotation_euler = Vector(direction).to_track_quat("-Z", "Y").to_euler()
    return made


def sky(stops: Sequence[tuple[float, Colour]], strength: float = 1.0) -> None:
    """A world whose colour changes with height: stops of (-1 below … 0 horizon … 1 above, colour)."""
    world = bpy.data.worlds.new("sky")
    world.use_nodes = True
    bpy.context.scene.world = world
    nodes, links = world.node_tree.nodes, world.node_tree.links
    direction = nodes.new("ShaderNodeTexCoord")
    split = nodes.new("ShaderNodeSeparateXYZ")
    height = nodes.new("ShaderNodeMapRange")
    height.inputs["From Min"].default_value = -1.0
    ramp = nodes.new("ShaderNodeValToRGB")
    fill_ramp(ramp.color_ramp, [((at + 1) / 2, colour) for at, colour in stops])
    background = nodes["Background"]
    background.inputs["Strength"].default_value = strength
    links.new(direction.outputs["Generated"], split.inputs["Vector"])
    links.new(split.outputs["Z"], height.inputs["Value"])
    links.new(height.outputs["Result"], ramp.inputs["Fac"])
    links.new(ramp.outputs["Color"], background.inputs["Color"])


def fill_ramp(ramp: bpy.types.ColorRamp, stops: Sequence[tuple[float, Colour]]) -> None:
    """Replace the stops of a colour ramp with these (at least two)."""
    while len(ramp.elements) < len(stops):
        ramp.elements.new(0.5)
    for element, (position, colour) in zip(ramp.elements, stops, strict=True):
        element.position, element.color = position, linear(colour)
