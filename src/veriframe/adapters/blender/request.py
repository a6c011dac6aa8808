"""The request to Blender's render script, and the checks of the frames that it reports."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from veriframe.adapters.blender.reports import FrameReport, RunReport
from veriframe.errors import Code, RenderFailed
from veriframe.model.rendering.frames import Frame, ImageFormat, RenderTask
from veriframe.model.text import some_names


@dataclass(frozen=True, slots=True)
class Request:
    """A task at `percent` of its size, with at most `samples` per pixel (None: the scene's own)."""

    task: RenderTask
    percent: int = 100
    samples: int | None = None

    def as_json(self) -> str:
        """The JSON argument of `render_frames.py`."""
        asked = {"frames": self.task.frames, "format": self.task.format.value}
        return json.dumps({**asked, "scale": self.percent, "samples": self.samples})


def with_size(frame: Frame, size: tuple[int, int] | None) -> Frame:
    """The frame with the size that the inspection found: only that size is decoded, whatever is reported."""
    return frame if size is None else replace(frame, width=size[0], height=size[1])


def _check_size(frame: Frame, request: Request) -> None:
    """A reduced frame may have any size up to the scene's own. Raises `RenderFailed` (WRONG_SIZE)."""
    if (size := request.task.size) is None:
        return
    fits = (
        (frame.width, frame.height) == size
        if request.percent == 100
        else frame.width <= size[0] and frame.height <= size[1]
    )
    if not fits:
        raise RenderFailed(
            Code.WRONG_SIZE,
            f"Frame {frame.number} has {frame.width}×{frame.height} pixels, but the inspection of its scene"
            f" found {size[0]}×{size[1]}.",
        )


def reported_frames(report: RunReport, request: Request) -> tuple[Frame, ...]:
    """The reported frames in the task's order, with their names and sizes checked.

    Raises `RenderFailed`: NO_OUTPUT, TAMPER, WRONG_SIZE.
    """
    task = request.task
    by_number = {event.number: event for event in report.events if isinstance(event, FrameReport)}
    if missing := [str(number) for number in task.frames if number not in by_number]:
        raise RenderFailed(Code.NO_OUTPUT, f"Blender did not render the frames {some_names(missing)}.")
    frames = tuple(by_number[number].value() for number in task.frames)
    for frame in frames:
        if frame.file != file_name(frame.number, task.format):
            raise RenderFailed(Code.TAMPER, f"Frame {frame.number} was reported with the wrong file name.")
        _check_size(frame, request)
    return frames


def file_name(number: int, image_format: ImageFormat) -> str:
    """The file name of a frame."""
    return f"frame_{number:04d}{image_format.suffix}"
