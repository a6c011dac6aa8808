"""Validation after rendering: decodes frames in a clean sandbox and writes them again without metadata."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from veriframe.adapters.blender import outcome, outputs, scripts
from veriframe.adapters.blender.reports import Decoded, Refused, RunReport
from veriframe.adapters.blender.runtimes import WorkerPython
from veriframe.adapters.blender.sandbox import visible
from veriframe.adapters.blender.sandbox.limits import host_errors
from veriframe.adapters.blender.sandbox.run import OUT, Ending, RunExit, Sandbox
from veriframe.errors import Code, HostUnavailable, ValidationFailed
from veriframe.model.attempt.lease import decoding_seconds
from veriframe.model.quantities import format_span
from veriframe.model.rendering.frames import (
    Frame,
    RenderLimits,
    RenderTask,
    frame_file,
    proof_file,
    thumbnail_file,
    tiles_file,
)
from veriframe.model.text import printable

_FRAMES = PurePosixPath("/job/frames")
_LISTING = PurePosixPath("/job/frames.json")

MOST_PIXELS = 2**24
"""Frames of one run have at most so many together, unless it is a single frame."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """What is decoded: frames of a task in the folder `out`, whose clean files go to `clean`.

    The frames have the required sizes: a file of another size is refused before any row is decompressed.
    """

    task: RenderTask
    frames: Sequence[Frame]
    out: Path
    clean: Path

    @property
    def rendered(self) -> Sequence[str]:
        """The names of all files in `out`."""
        return [name for frame in self.frames for name in self.task.rendered_files(frame.number)]

    @property
    def validated(self) -> Sequence[str]:
        """The names of all files that `clean` gets."""
        return [name for frame in self.frames for name in self.task.validated_files(frame.number)]

    def batches(self) -> Iterator[Decoding]:
        """The same in runs whose output fits into memory. Many small frames share the start of a run."""
        batch: list[Frame] = []
        for frame in self.frames:
            pixels = sum(each.width * each.height for each in (*batch, frame))
            if batch and pixels > MOST_PIXELS:
                yield replace(self, frames=batch)
                batch = []
            batch.append(frame)
        yield replace(self, frames=batch)


async def decode(
    sandbox: Sandbox, decoding: Decoding, limits: RenderLimits, lease_seconds: float = math.inf
) -> Sequence[Decoded]:
    """Decodes frames and writes clean files.

    Raises `ValidationFailed`: NOT_IMAGE, WRONG_SIZE, NOT_FINITE, TAMPER, TIMEOUT, LEASE; `HostUnavailable`.
    """
    with host_errors.as_unavailable():
        if fault := outputs.find_fault(decoding.out, decoding.rendered, max_bytes=limits.output_bytes):
            raise ValidationFailed(Code.TAMPER, fault.sentence)
    until, decoded = time.monotonic() + lease_seconds, list[Decoded]()
    for batch in decoding.batches():
        decoded += await _decode(sandbox, batch, _allowance(batch.frames, limits, until - time.monotonic()))
    return decoded


async def _decode(sandbox: Sandbox, decoding: Decoding, allowed: outcome.Allowance) -> Sequence[Decoded]:
    with host_errors.as_unavailable():
        end, report = await _run(sandbox, decoding, allowed)
        free_bytes = outputs.free_bytes(decoding.clean)
    if free_bytes < outcome.DISK_FULL_BYTES:
        raise HostUnavailable(
            f"The disk is full: frames cannot be validated. Free some space at {decoding.clean}."
        )
    decoded = _decoded(end, report, decoding.frames, allowed)
    if end.fault:
        raise ValidationFailed(Code.TAMPER, f"While it was decoded: {end.fault.sentence}")
    return decoded


def _allowance(frames: Sequence[Frame], limits: RenderLimits, lease_seconds: float) -> outcome.Allowance:
    """The slowest decoding time plus, for a busy machine, a render's time, within the lease."""
    slowest = sum(decoding_seconds(frame.width, frame.height) for frame in frames)
    return outcome.Allowance(
        limits=limits,
        seconds=slowest + limits.wall_seconds(len(frames)),
        lease_seconds=lease_seconds,
    )


async def _run(sandbox: Sandbox, decoding: Decoding, allowed: outcome.Allowance) -> tuple[RunExit, RunReport]:
    for shown in (decoding.out, *(decoding.out / name for name in decoding.rendered)):
        visible.chown_to_sandbox(shown)
    async with scripts.scratch() as folder:
        script = scripts.Script(
            name="decoding/decode_frames.py",
            arguments=(_FRAMES, OUT, _LISTING),
            shown={_FRAMES: decoding.out, _LISTING: _listing(decoding, folder / "frames.json")},
            out=decoding.clean,
            expected=decoding.validated,
            wall_seconds=allowed.wall_seconds,
            limits=allowed.limits,
        )
        return await scripts.run_script(sandbox, WorkerPython(), script)


def _listing(decoding: Decoding, file: Path) -> Path:
    task = decoding.task
    file.write_text(
        json.dumps(
            [
                {
                    "number": frame.number,
                    "format": task.format.value,
                    "file": frame_file(frame.number, task.format),
                    "width": frame.width,
                    "height": frame.height,
                    "proof": proof_file(frame.number) if task.has_proof else "",
                    "tiles": tiles_file(frame.number) if task.has_proof else "",
                    "thumbnail": thumbnail_file(frame.number) if task.has_thumbnail else "",
                    "asked": {
                        "depth": task.overrides.color_depth or 0,
                        "passes": list(task.overrides.passes),
                        "is_tile": task.is_denoised_later,
                        "most_channels": task.most_channels,
                    },
                }
                for frame in decoding.frames
            ]
        ),
        encoding="ascii",
    )
    visible.grant_access(file)
    return file


def _decoded(
    end: RunExit, report: RunReport, frames: Sequence[Frame], allowed: outcome.Allowance
) -> Sequence[Decoded]:
    """One report for each frame, in the frames' order."""
    for refused in (event for event in report.events if isinstance(event, Refused)):
        raise ValidationFailed(
            Code(refused.code),
            f"Frame {refused.number} is not what was asked for: {printable(refused.why, 200)}.",
        )
    if end.ending is Ending.SANDBOX_FAILED:
        raise outcome.sandbox_failed(end)
    if end.ending in (Ending.TIMEOUT, Ending.CPU_LIMIT) and not report.finished:
        raise _out_of_time(end, allowed)
    if failed := outcome.failure(
        end, allowed, finished=report.finished, error=report.error, free_bytes=outcome.DISK_FULL_BYTES
    ):
        # A file that crashes the decoder is not a picture.
        raise ValidationFailed(Code.NOT_IMAGE, f"The frames cannot be decoded. {failed}")
    by_number = {event.number: event for event in report.events if isinstance(event, Decoded)}
    found = [by_number.get(frame.number) for frame in frames]
    return [_checked(frame, event) for frame, event in zip(frames, found, strict=True)]


def _out_of_time(end: RunExit, allowed: outcome.Allowance) -> ValidationFailed:
    prefix = f"Decoding the frames was stopped after {format_span(round(end.seconds))}: "
    if allowed.lease_seconds < allowed.seconds:
        return ValidationFailed(Code.LEASE, f"{prefix}the lease left no more time.")
    return ValidationFailed(Code.TIMEOUT, f"{prefix}frames of this size do not take that long here.")


def _checked(frame: Frame, event: Decoded | None) -> Decoded:
    if event is None:
        raise ValidationFailed(Code.NOT_IMAGE, f"Frame {frame.number} could not be decoded.")
    if (event.width, event.height) != (frame.width, frame.height):
        raise ValidationFailed(
            Code.WRONG_SIZE,
            f"Frame {frame.number} has {event.width}×{event.height} pixels, "
            f"not {frame.width}×{frame.height}.",
        )
    if not event.finite:
        raise ValidationFailed(
            Code.NOT_FINITE, f"Frame {frame.number} holds samples that are not finite numbers."
        )
    return event
