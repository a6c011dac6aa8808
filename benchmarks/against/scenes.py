"""Saves different scenes with Blender, for `benchmarks.against`: each has its own bytes, so its own CID.

Run as `python scenes.py FOLDER COUNT WIDTH SECONDS`. Each frame takes about SECONDS to render on this
machine, by the number of its samples; with 0 it has one sample.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import bpy

PROBE_SAMPLES = 16


def main() -> None:
    """Save the scenes."""
    folder, count, width, seconds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    bpy.ops.wm.read_factory_settings()
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.use_denoising = scene.cycles.use_adaptive_sampling = False
    scene.render.resolution_x, scene.render.resolution_y = width, width * 9 // 16
    scene.render.resolution_percentage = 100
    scene.cycles.samples = _samples(scene, seconds) if seconds else 1
    for number in range(count):
        scene.objects["Cube"].rotation_euler[2] = number / 10
        path = folder / f"scene-{number:02}.blend"
        bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=False, copy=True)


def _samples(scene: bpy.types.Scene, seconds: float) -> int:
    """The number of samples that takes about that long here."""
    taken = []
    for samples in (1, PROBE_SAMPLES):
        scene.cycles.samples = samples
        started = time.monotonic()
        bpy.ops.render.render()
        taken.append(time.monotonic() - started)
    # The difference leaves out what does not depend on the samples.
    of_one = max(1e-4, (taken[1] - taken[0]) / (PROBE_SAMPLES - 1))
    return max(1, round((seconds - taken[0]) / of_one))


if __name__ == "__main__":
    main()
    # Blender may hang while it shuts down; the files are already written.
    sys.stdout.flush()
    os._exit(0)
