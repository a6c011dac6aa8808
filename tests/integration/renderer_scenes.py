"""Small real scenes for the renderer's tests, made by Blender in a separate process."""

from __future__ import annotations

import functools
import subprocess
import sys
import tempfile
from pathlib import Path

_MAKE = """
import os, sys
import bpy
bpy.ops.wm.read_factory_settings()
scene = bpy.context.scene
render = scene.render
render.engine = "CYCLES"
render.resolution_x, render.resolution_y, render.resolution_percentage = 64, 36, 100
scene.cycles.samples, scene.cycles.use_denoising = 4, False
cube = scene.objects["Cube"]
cube.keyframe_insert("location", frame=1)
cube.location.x = 1
cube.keyframe_insert("location", frame=3)
exec(sys.argv[2])
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[1], compress=False, relative_remap=False)
sys.stdout.flush()
os._exit(0)
"""


@functools.cache
def make(change: str = "") -> bytes:
    """Returns a scene's bytes: 64×36, Cycles, 4 samples, a moving cube, changed by `change` (Python)."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scene.blend"
        made = subprocess.run(
            [sys.executable, "-I", "-B", "-c", _MAKE, str(file), change],
            capture_output=True,
            timeout=120,
            check=False,
            text=True,
        )
        if not file.exists():
            raise RuntimeError(f"no scene was made: {made.stderr[-2000:]}")
        return file.read_bytes()
