"""The scenes of the cheats, and what is done by hand to files of pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
from numpy.typing import NDArray
from PIL import Image
from tests.integration.verification.works import Scene

from veriframe.model.bundle.job_file import Bundle
from veriframe.model.rendering.frames import Frame, ImageFormat, frame_file, proof_file
from veriframe.model.rendering.overrides import Overrides

Plane = NDArray[np.float32]

LOOK = """
scene.cycles.use_adaptive_sampling = False
scene.render.use_persistent_data = True
scene.cycles.seed, scene.cycles.max_bounces = 7, 4
bpy.ops.mesh.primitive_plane_add(size=30, location=(0, 0, -1))
bpy.ops.mesh.primitive_uv_sphere_add(radius=0.9, location=(1.6, -1.9, 0))
glass = bpy.data.materials.new("glass")
glass.use_nodes = True
shader = glass.node_tree.nodes["Principled BSDF"]
shader.inputs["Transmission Weight"].default_value, shader.inputs["Roughness"].default_value = 1.0, 0.1
bpy.context.object.data.materials.append(glass)
scene.objects["Light"].data.shadow_soft_size = 1.0
"""
"""A cube that moves, a ball of rough glass, a floor, one soft lamp."""

SIZE = (96, 80)
"""Four tiles."""

PLAIN = Bundle(
    scene="scene.blend",
    blender="4.5",
    format=ImageFormat.EXR,
    frames=(1, 2),
    chunk=2,
    proof_tiles=2,
    overrides=Overrides(resolution=SIZE, samples=64, denoise=False, color_depth=32),
)
DENOISED = replace(
    PLAIN,
    format=ImageFormat.PNG,
    overrides=Overrides(resolution=SIZE, samples=64, denoise=True, color_depth=8),
)
STILL = Scene(replace(PLAIN, frames=(1,), chunk=1), LOOK)
FRAMES = Scene(PLAIN, LOOK)
SMOOTH = Scene(replace(DENOISED, frames=(1,), chunk=1), LOOK)
LARGER = Scene(STILL.bundle, LOOK + "cube.scale.z = 1.05")
OTHER = Scene(
    STILL.bundle,
    LOOK + "cube.hide_render = True; bpy.ops.mesh.primitive_monkey_add(size=2.5)",
)
MOVED = Scene(STILL.bundle, LOOK + "scene.camera.location.x += 0.01")
MANY = Scene(
    replace(
        STILL.bundle,
        overrides=Overrides(resolution=(512, 512), samples=4, denoise=False, color_depth=32),
    ),
    LOOK,
)
"""64 tiles."""


def repaint(file: Path, change: Callable[[Plane], Plane]) -> None:
    """Change each channel of an EXR."""
    with OpenEXR.File(str(file), separate_channels=True) as opened:
        header = dict(opened.header())
        planes = {name: np.array(channel.pixels) for name, channel in opened.channels().items()}
    for name in ("dataWindow", "displayWindow", "channels"):
        header.pop(name, None)
    changed: dict[str, Any] = {name: np.ascontiguousarray(change(plane)) for name, plane in planes.items()}
    OpenEXR.File(header, changed).write(str(file))


def repaint_both(out: Path, change: Callable[[Plane], Plane], number: int = 1) -> None:
    """Change a frame and what proves it in the same way."""
    for name in (frame_file(number, ImageFormat.EXR), proof_file(number)):
        repaint(out / name, change)


def renamed(out: Path, old: int, new: int) -> None:
    """Give the files of a frame the names of another one."""
    for name in (lambda number: frame_file(number, ImageFormat.EXR), proof_file):
        (out / name(new)).write_bytes((out / name(old)).read_bytes())
        if old != new:
            (out / name(old)).unlink()


def copied(out: Path, old: int, new: int) -> None:
    """Put the files of a frame in place of those of another one."""
    for name in (lambda number: frame_file(number, ImageFormat.EXR), proof_file):
        (out / name(new)).write_bytes((out / name(old)).read_bytes())


def as_first(frames: list[Frame]) -> list[Frame]:
    """Frames that pretend to be frame 1."""
    return [replace(frame, number=1, file=frame_file(1, ImageFormat.EXR)) for frame in frames]


def brighter(part: Any = np.s_[:], by: float = 1.02) -> Callable[[Plane], Plane]:
    """A part of a picture, a little brighter."""

    def change(plane: Plane) -> Plane:
        plane[part] *= np.float32(by)
        return plane

    return change


def darken_png(out: Path) -> None:
    """Make the frame darker, but not what proves it."""
    file = out / frame_file(1, ImageFormat.PNG)
    with Image.open(file) as picture:
        picture.point(lambda level: level * 0.7).save(file)


def doubled(plane: Plane) -> Plane:
    """A picture of twice the width and height."""
    return plane.repeat(2, axis=0).repeat(2, axis=1)
