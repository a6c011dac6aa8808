# ruff: noqa: ANN401 - Blender's data have no static types
"""Runs in a Blender of its own, without VeriFrame: renders crops of one of our scenes and keeps their pixels.

Arguments: the scene, and a JSON file with a list of
`{"out", "region", "samples", "first", "seed", "adaptive"}`: the `.exr` to write; left, top, width and height
in pixels from the top left; the samples that the sequence has, and how many of them are rendered (null: all);
what is added to the seed; whether adaptive sampling is on.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import bpy


def main() -> None:
    """Renders everything that is asked for, in order."""
    scene_file, asked = sys.argv[1:]
    bpy.ops.wm.open_mainfile(filepath=scene_file, load_ui=False)
    scene = bpy.context.scene
    render, image = scene.render, scene.render.image_settings
    scene.cycles.device = "CPU"
    scene.cycles.use_denoising = False
    image.file_format, image.color_depth, image.color_mode = "OPEN_EXR", "32", "RGBA"
    seed = scene.cycles.seed
    jobs = json.loads(Path(asked).read_text("utf-8"))
    total = 0
    for job in sorted(jobs, key=lambda one: one["samples"]):
        if job["samples"] != total:
            # What is kept would go on with the sequence of the other number.
            render.use_persistent_data = False
            render.use_persistent_data = True
        total = job["samples"]
        crop(render, job["region"])
        sampling(scene.cycles, job, seed)
        bpy.ops.render.render()
        unfinished = f"{job['out']}.part.exr"
        bpy.data.images["Render Result"].save_render(unfinished, scene=scene)
        Path(unfinished).rename(job["out"])
        print(f"{job['out']}", flush=True)


def sampling(cycles: Any, job: dict[str, Any], seed: int) -> None:
    """The samples of a job."""
    cycles.samples, cycles.seed = job["samples"], seed + job["seed"]
    cycles.use_adaptive_sampling = job["adaptive"]
    cycles.use_sample_subset = job["first"] is not None
    cycles.sample_offset, cycles.sample_subset_length = 0, job["first"] or job["samples"]


def crop(render: Any, region: list[int]) -> None:
    """Render only a region."""
    left, top, across, down = region
    scale = render.resolution_percentage
    width, height = render.resolution_x * scale // 100, render.resolution_y * scale // 100
    render.use_border = render.use_crop_to_border = True
    render.border_min_x, render.border_max_x = (left + 0.5) / width, (left + across + 0.5) / width
    render.border_min_y = (height - top - down + 0.5) / height
    render.border_max_y = (height - top + 0.5) / height


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # bpy can hang in its shutdown
