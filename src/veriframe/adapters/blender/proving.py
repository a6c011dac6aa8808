"""The gate after rendering: frames decoded, and written again without metadata, in a clean sandbox."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from veriframe.adapters.blender import cells, outcome, outputs
from veriframe.adapters.blender.reports import Decoded, Heard, Refused
from veriframe.adapters.blender.runtimes import WorkerPython
from veriframe.adapters.blender.sandbox import view
from veriframe.adapters.blender.sandbox.cell import OUT, CellExit, Ending, Sandbox
from veriframe.errors import Code, HostUnavailable, VerificationFailed
from veriframe.model.frames import Frame, RenderLimits
from veriframe.model.text import printable

_FRAMES = PurePosixPath("/job/frames")
_LISTING = PurePosixPath("/job/frames.json")
_SECONDS_A_FRAME = 300.0
"""For decoding one frame; 8 million pixels took 8 s (PNG, 8 bits)."""


async def decode(
    sandbox: Sandbox, frames: Sequence[Frame], out: Path, clean: Path, limits: RenderLimits
) -> Sequence[Decoded]:
    """Decode the frames in `out`; put their clean files into `clean`. Nothing is said yet about black.

    Raises `VerificationFailed`: NOT_IMAGE, WRONG_SIZE, NOT_FINITE, TAMPER; `HostUnavailable`.
    """
    names = [frame.file for frame in frames]
    if fault := outputs.find_fault(out, names, most_bytes=limits.output_bytes):
        raise VerificationFailed(Code.TAMPER, fault.sentence)
    end, heard = await _run(sandbox, frames, (out, clean), limits)
    if outputs.free_bytes(clean) < outcome.DISK_FULL_BYTES:
        raise HostUnavailable(f"The disk is full, so that frames cannot be proved. Free some at {clean}.")
    decoded = _decoded(end, heard, frames)
    if end.fault:
        raise VerificationFailed(Code.TAMPER, f"While it was decoded: {end.fault.sentence}")
    return decoded


async def _run(
    sandbox: Sandbox, frames: Sequence[Frame], folders: tuple[Path, Path], limits: RenderLimits
) -> tuple[CellExit, Heard]:
    out, clean = folders
    names = [frame.file for frame in frames]
    for shown in (out, *(out / name for name in names)):
        view.give_away(shown)
    with cells.scratch() as folder:
        script = cells.Script(
            name="decode_frames.py",
            arguments=(_FRAMES, OUT, _LISTING),
            shown={_FRAMES: out, _LISTING: _listing(frames, folder / "frames.json")},
            out=clean,
            expected=names,
            wall_seconds=_SECONDS_A_FRAME * len(frames),
            limits=limits,
        )
        return await cells.run_script(sandbox, WorkerPython(), script)


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


def _decoded(end: CellExit, heard: Heard, frames: Sequence[Frame]) -> Sequence[Decoded]:
    """One report for each frame, in their order."""
    for refused in (event for event in heard.events if isinstance(event, Refused)):
        raise VerificationFailed(
            Code(refused.code),
            f"Frame {refused.number} is not what was asked for: {printable(refused.why, 200)}.",
        )
    if end.ending is Ending.WALLS_FAILED:
        raise outcome.walls_failed(end)
    if failed := outcome.failure(
        end, finished=heard.finished, error=heard.error, free_bytes=outcome.DISK_FULL_BYTES
    ):
        # What brings the decoder down is no picture.
        raise VerificationFailed(Code.NOT_IMAGE, f"The frames cannot be decoded. {failed}")
    by_number = {event.number: event for event in heard.events if isinstance(event, Decoded)}
    found = [by_number.get(frame.number) for frame in frames]
    return [_checked(frame, event) for frame, event in zip(frames, found, strict=True)]


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
