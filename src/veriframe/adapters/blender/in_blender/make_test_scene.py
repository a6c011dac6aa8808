"""Runs inside Blender: saves a small scene (Blender's default cube, light and camera) to test an engine.

Arguments: the file to write, and the engine.
"""

from __future__ import annotations

import os
import sys

import bpy

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120  # Blender adds no script folder

from reporting import arguments, report, run  # type: ignore[import-not-found]


def main() -> None:
    """Create the scene, save it and report."""
    path, engine = arguments()
    bpy.ops.wm.read_factory_settings()
    scene = bpy.context.scene
    scene.render.engine = engine
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 32, 18, 100
    scene.cycles.samples = 4
    scene.cycles.use_denoising = False
    scene.eevee.taa_render_samples = 4
    bpy.ops.wm.save_as_mainfile(filepath=path, compress=False)
    report("finished")


if __name__ == "__main__":
    run(main)
