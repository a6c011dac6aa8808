"""The gate after rendering: frames decoded, and written again without metadata, in a clean sandbox."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from veriframe.adapters.blender import outcome, outputs, scripts
from veriframe.adapters.blender.reports import Decoded, Refused, RunReport
from veriframe.adapters.blender.runtimes import WorkerPython
from veriframe.adapters.blender.sandbox import visible as view
from veriframe.adapters.blender.sandbox.limits import host_errors as machine
from veriframe.adapters.blender.sandbox.run import OUT, Ending, RunExit, Sandbox
from veriframe.errors import Code, HostUnavailable, VerificationFailed
from veriframe.model.attempt.lease import decoding_seconds
from veriframe.model.rendering.frames import Frame, RenderTask
from veriframe.model.text import printable

_FRAMES = PurePosixPath("/job/frames")
_LISTING = PurePosixPath("/job/frames.json")


async def decode(
    sandbox: Sandbox, frames: Sequence[Frame], out: Path, clean: Path, task: RenderTask
) -> Sequence[Decoded]:
    """Decode the frames in `out`; put their clean files into `clean`. Nothing is said yet about black.

    `frames` have the sizes that they must have: another one is found before a row is unpacked. Raises
    `VerificationFailed`: NOT_IMAGE, WRONG_SIZE, NOT_FINITE, TAMPER, TIMEOUT, LEASE; `HostUnavailable`.
    """
    limits, allowed = task.limits, _allowance(frames, task)
    names = [frame.file for frame in frames]
    with machine.needed():
        if fault := outputs.find_fault(out, names, most_bytes=limits.output_bytes):
            raise VerificationFailed(Code.TAMPER, fault.sentence)
        end, report = await _run(sandbox, frames, (out, clean), allowed)
        free_bytes = outputs.free_bytes(clean)
    if free_bytes < outcome.DISK_FULL_BYTES:
        raise HostUnavailable(f"The disk is full, so that frames cannot be proved. Free some at {clean}.")
    decoded = _decoded(end, report, frames, allowed)
    if end.fault:
        raise VerificationFailed(Code.TAMPER, f"While it was decoded: {end.fault.sentence}")
    return decoded


def _allowance(frames: Sequence[Frame], task: RenderTask) -> outcome.Allowance:
    """A busy machine gets a render's time on top of the slowest picture's, as far as the lease goes."""
    slowest = sum(decoding_seconds(frame.width, frame.height) for frame in frames)
    return outcome.Allowance(
        limits=task.limits,
        seconds=slowest + task.limits.wall_seconds(len(frames)),
        lease_seconds=task.lease_seconds,
    )


async def _run(
    sandbox: Sandbox, frames: Sequence[Frame], folders: tuple[Path, Path], allowed: outcome.Allowance
) -> tuple[RunExit, RunReport]:
    out, clean = folders
    names = [frame.file for frame in frames]
    for shown in (out, *(out / name for name in names)):
        view.give_away(shown)
    async with scripts.scratch() as folder:
        script = scripts.Script(
            name="decode_frames.py",
            arguments=(_FRAMES, OUT, _LISTING),
            shown={_FRAMES: out, _LISTING: _listing(frames, folder / "frames.json")},
            out=clean,
            expected=names,
            wall_seconds=allowed.wall_seconds,
            limits=allowed.limits,
        )
        return await scripts.run_script(sandbox, WorkerPython(), script)


def _listing(frames: Sequence[Frame], file: Path) -> Path:
    file.write_text(
        json.dumps(
            [
                {"number": frame.number, "file": frame.file, "width": frame.width, "height": frame.height}
                for frame in frames
            ]
        ),
        encoding="ascii",
    )
    view.let_in(file)
    return file


def _decoded(
    end: RunExit, report: RunReport, frames: Sequence[Frame], allowed: outcome.Allowance
) -> Sequence[Decoded]:
    """One report for each frame, in their order."""
    for refused in (event for event in report.events if isinstance(event, Refused)):
        raise VerificationFailed(
            Code(refused.code),
            f"Frame {refused.number} is not what was asked for: {printable(refused.why, 200)}.",
        )
    if end.ending is Ending.WALLS_FAILED:
        raise outcome.sandbox_failed(end)
    if end.ending in (Ending.TIMEOUT, Ending.CPU_LIMIT) and not report.finished:
        raise _out_of_time(end, allowed)
    if failed := outcome.failure(
        end, allowed, finished=report.finished, error=report.error, free_bytes=outcome.DISK_FULL_BYTES
    ):
        # What brings the decoder down is no picture.
        raise VerificationFailed(Code.NOT_IMAGE, f"The frames cannot be decoded. {failed}")
    by_number = {event.number: event for event in report.events if isinstance(event, Decoded)}
    found = [by_number.get(frame.number) for frame in frames]
    return [_checked(frame, event) for frame, event in zip(frames, found, strict=True)]


def _out_of_time(end: RunExit, allowed: outcome.Allowance) -> VerificationFailed:
    said = f"Decoding the frames was stopped after {end.seconds:.0f} s: "
    if allowed.lease_seconds < allowed.seconds:
        return VerificationFailed(Code.LEASE, f"{said}the lease left no more.")
    return VerificationFailed(Code.TIMEOUT, f"{said}no frames of their size take so long here.")


def _checked(frame: Frame, event: Decoded | None) -> Decoded:
    if event is None:
        raise VerificationFailed(Code.NOT_IMAGE, f"Frame {frame.number} could not be decoded.")
    if (event.width, event.height) != (frame.width, frame.height):
        raise VerificationFailed(
            Code.WRONG_SIZE,
            f"Frame {frame.number} has {event.width}×{event.height} pixels, "
            f"not {frame.width}×{frame.height}.",
        )
    if not event.finite:
        raise VerificationFailed(
            Code.NOT_FINITE, f"Frame {frame.number} holds samples that are no finite numbers."
        )
    return event
