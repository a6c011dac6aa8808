"""The request to render, as Blender's script reads it, and the checks of the frames that it reports."""

from __future__ import annotations

import json
from dataclasses import asdict

from veriframe.adapters.blender.reports import FrameReport
from veriframe.errors import Code, RenderFailed
from veriframe.model.rendering.frames import RenderTask, frame_file


def as_json(task: RenderTask) -> str:
    """The command for `session.py`."""
    part = task.region
    asked = {
        "frames": task.frames,
        "format": task.format.value,
        "percent": task.percent,
        "samples": task.samples,
        "region": part and [part.left, part.top, part.width, part.height],
        "has_proof": task.has_proof,
        "is_denoised_later": task.is_denoised_later,
        "stop_early": task.stop_early,
        "overrides": asdict(task.overrides),
    }
    return json.dumps({"render": asked})


def check(frame: FrameReport, task: RenderTask) -> None:
    """Raises `RenderFailed`: TAMPER for another file name, WRONG_SIZE for another size.

    A frame whose size is not known before may have any up to the full picture's.
    """
    if frame.file != frame_file(frame.number, task.format):
        raise RenderFailed(Code.TAMPER, f"Frame {frame.number} was reported with the wrong file name.")
    if (size := task.frame_size or task.size) is None:
        return
    found = (frame.width, frame.height)
    if found == size or (task.frame_size is None and found[0] <= size[0] and found[1] <= size[1]):
        return
    raise RenderFailed(
        Code.WRONG_SIZE,
        f"Frame {frame.number} has {found[0]}×{found[1]} pixels, but its task and the inspection of its"
        f" scene allow {size[0]}×{size[1]}.",
    )
