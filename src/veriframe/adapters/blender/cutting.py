"""Cuts: parts of pictures, decoded in a clean sandbox so that they can be compared."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import structlog

from veriframe.adapters.blender import outcome, outputs, scripts
from veriframe.adapters.blender.reports import CutReport, Refused, RunReport
from veriframe.adapters.blender.runtimes import WorkerPython
from veriframe.adapters.blender.sandbox import visible
from veriframe.adapters.blender.sandbox.limits import host_errors
from veriframe.adapters.blender.sandbox.run import OUT, Ending, RunExit, Sandbox
from veriframe.errors import Code, HostUnavailable, RenderFailed, ValidationFailed
from veriframe.model.attempt.lease import decoding_seconds
from veriframe.model.quantities import format_span
from veriframe.model.rendering.frames import RenderLimits
from veriframe.model.text import printable
from veriframe.model.verification.tiles import TILE_PIXELS
from veriframe.ports.renderer import Cut, CutKind, CutSamples
from veriframe.threads import run_uninterrupted

log = structlog.get_logger()

_FILES = PurePosixPath("/job/pictures")
_LISTING = PurePosixPath("/job/cuts.json")
_SAMPLE_BYTES = 4
_COLOURS = 4
"""The most channels of a picture without layers."""


class _Ended(ValidationFailed):
    """The decoder was ended: by what a file made it do, or by this machine."""


async def cut(sandbox: Sandbox, cuts: Sequence[Cut], limits: RenderLimits) -> Sequence[CutSamples]:
    """Decodes all cuts in one run. Raises `ValidationFailed`, `RenderFailed`, `HostUnavailable`."""
    if not cuts:
        return []
    # One after the other of the same file, which is then decoded once.
    places = sorted(range(len(cuts)), key=lambda place: (str(cuts[place].file), place))
    in_order = [cuts[place] for place in places]
    try:
        taken = await _cut(sandbox, in_order, limits)
    except _Ended as error:
        # A machine that is short of memory for a moment must not make a picture bad.
        log.warning("decoding_repeated", reason=str(error))
        taken = await _cut(sandbox, in_order, limits)
    return [samples for _, samples in sorted(zip(places, taken, strict=True), key=lambda pair: pair[0])]


async def _cut(sandbox: Sandbox, cuts: Sequence[Cut], limits: RenderLimits) -> Sequence[CutSamples]:
    """The same, in the order in which the script is given them."""
    files = {one.file: f"{place:04d}" for place, one in enumerate(cuts)}
    async with contextlib.AsyncExitStack() as stack:
        folder = await stack.enter_async_context(scripts.scratch())
        shown = {_FILES / name: await _readable(stack, file) for file, name in files.items()}
        out, listing = folder / "out", folder / "cuts.json"
        with host_errors.as_unavailable():
            out.mkdir()
            listing.write_text(json.dumps([_listed(one, files[one.file]) for one in cuts]), encoding="ascii")
            visible.grant_access(listing)
        sizes = {one.file: (one.shown.width, one.shown.height) for one in cuts}
        seconds = limits.wall_seconds(1) + sum(decoding_seconds(*size) for size in sizes.values())
        script = scripts.Script(
            name="decoding/cut_pictures.py",
            arguments=(_FILES, OUT, _LISTING),
            shown={**shown, _LISTING: listing},
            out=out,
            expected=[_samples_file(place) for place in range(len(cuts))],
            wall_seconds=seconds,
            limits=limits,
        )
        end, report = await scripts.run_script(sandbox, WorkerPython(), script)
        with host_errors.as_unavailable():
            free_bytes = outputs.free_bytes(out)
        _raise_failure(end, report, outcome.Allowance(limits=limits, seconds=seconds), cuts, free_bytes)
        with host_errors.as_unavailable():
            return await run_uninterrupted(_taken, report, cuts, out)


async def _readable(stack: contextlib.AsyncExitStack, file: Path) -> Path:
    try:
        return await stack.enter_async_context(scripts.readable(file))
    except FileNotFoundError as error:
        raise ValidationFailed(Code.NOT_IMAGE, f"{printable(file.name)} is gone.") from error


def _listed(one: Cut, name: str) -> dict[str, object]:
    shown, wanted = ([part.left, part.top, part.width, part.height] for part in (one.shown, one.wanted))
    return {
        "file": name,
        "kind": one.kind.value,
        "shown": shown,
        "wanted": wanted,
        "size": one.size,
        "most_channels": one.most_channels,
        "is_published": one.is_published,
    }


def _samples_file(place: int) -> str:
    return f"{place:04d}.f32"


def _raise_failure(
    end: RunExit, report: RunReport, allowed: outcome.Allowance, cuts: Sequence[Cut], free_bytes: int
) -> None:
    for refused in (event for event in report.events if isinstance(event, Refused)):
        name = cuts[refused.number].file.name if refused.number < len(cuts) else "A file"
        raise ValidationFailed(
            Code(refused.code),
            f"{printable(name)} is not the picture that was asked for: {printable(refused.why, 200)}.",
        )
    if end.ending is Ending.SANDBOX_FAILED:
        raise outcome.sandbox_failed(end)
    if free_bytes < outcome.DISK_FULL_BYTES:
        raise HostUnavailable("The disk is full: pictures cannot be compared. Free some, or set TMPDIR.")
    if end.ending in (Ending.TIMEOUT, Ending.CPU_LIMIT) and not report.finished:
        took = format_span(round(end.seconds))
        raise ValidationFailed(
            Code.TIMEOUT, f"Decoding was stopped after {took}: pictures of this size do not take that long."
        )
    if at_limit := _at_limit(end, report, allowed.limits, cuts):
        raise at_limit
    failed = outcome.failure(
        end, allowed, finished=report.finished, error=report.error, free_bytes=outcome.DISK_FULL_BYTES
    )
    if why := failed or (end.fault and end.fault.sentence):
        # A file that crashes the decoder is not a picture.
        raise _Ended(Code.NOT_IMAGE, f"The pictures cannot be decoded. {why}")


def _at_limit(
    end: RunExit, report: RunReport, limits: RenderLimits, cuts: Sequence[Cut]
) -> RenderFailed | None:
    """The error if pictures as large as these may need more than a limit: then none of them is at fault."""
    samples = sum(_samples(one) for one in cuts)
    if end.ending is Ending.PIDS:
        return RenderFailed(Code.PIDS, f"Decoding needs more processes than {limits.pids}. Raise pids.")
    if end.ending is Ending.OUTPUT_LIMIT and _SAMPLE_BYTES * samples > limits.output_bytes:
        return outcome.too_large(Code.OUTPUT_LIMIT, "output_bytes", limits.output_bytes)
    return outcome.decoding_memory(end, report.error, limits, samples)


def _samples(one: Cut) -> int:
    """The most samples that a cut's file may hold."""
    if one.kind in (CutKind.PROOF, CutKind.GUIDES):
        # Only the tiles that the wanted part meets are decoded.
        return (
            (one.wanted.width + 2 * TILE_PIXELS) * (one.wanted.height + 2 * TILE_PIXELS) * one.most_channels
        )
    has_layers = one.kind not in (CutKind.PNG, CutKind.EXR)
    return one.shown.width * one.shown.height * (one.most_channels if has_layers else _COLOURS)


def _taken(report: RunReport, cuts: Sequence[Cut], out: Path) -> Sequence[CutSamples]:
    """Raises `ValidationFailed`, `OSError`."""
    by_number = {event.number: event for event in report.events if isinstance(event, CutReport)}
    found = []
    for place, one in enumerate(cuts):
        event, values = by_number.get(place), (out / _samples_file(place)).read_bytes()
        channels = () if event is None else tuple(event.channel_names.split(","))
        expected = one.wanted.width * one.wanted.height * len(channels) * _SAMPLE_BYTES
        if event is None or len(values) != expected:
            raise ValidationFailed(Code.NOT_IMAGE, f"{printable(one.file.name)} could not be decoded.")
        found.append(
            CutSamples(
                leaf=event.leaf,
                channels=channels,
                width=one.wanted.width,
                height=one.wanted.height,
                values=values,
            )
        )
    return found
