"""Views of a bundle: what goes into it, what cannot travel, and what its order will take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from veriframe.cli.display import show
from veriframe.creator.packing.values import Comparison, Found, Packed, TakenFile
from veriframe.model.bundle.estimate import Estimate
from veriframe.model.bundle.patterns import runs
from veriframe.model.bundle.travel import Kind
from veriframe.model.quantities import counted, format_size, format_span, format_strk
from veriframe.model.rendering.frames import format_frames


def say_found(found: Found) -> None:
    """Tell what goes into the bundle and what does not, on stderr: before anything is written."""
    counts: dict[Kind, list[int]] = {}
    for file in found.files:
        counts.setdefault(file.kind, []).append(file.size_bytes)
    parts = [f"{len(sizes)} × {kind}, {format_size(sum(sizes))}" for kind, sizes in counts.items()]
    show.err.print(f"Beside the scene: {'; '.join(parts) or 'nothing'}.", markup=False)
    if found.outside:
        say_files("From outside the scene's folder:", found.outside)
    # Those from outside are named already.
    if collected := [file for file in found.collected if not file.is_outside]:
        say_files("From caches, sequences and tiles in the scene's folder:", collected)
    for left in found.left_out:
        style = "yellow" if left.is_used else "dim"
        show.err.print(f"Left out: {show.clean(left.sentence)}", style=style, markup=False)


def say_files(title: str, files: Sequence[TakenFile]) -> None:
    """Name all files that a person may not expect in a bundle: none may hide behind others.

    They are grouped by folder, rarest kinds first. Of files that are numbered without a gap, the first and
    the last are named: these tell the others.
    """
    show.err.print(title, style="yellow")
    counts = Counter(file.kind for file in files)
    groups: dict[tuple[Kind, str], list[str]] = {}
    for file in files:
        groups.setdefault((file.kind, str(file.source.parent)), []).append(file.source.name)
    for (kind, folder), names in sorted(groups.items(), key=lambda group: (counts[group[0][0]], group[0])):
        show.err.print(f"  {len(names)} × {kind} in {show.clean(folder)}:", style="yellow", markup=False)
        for run in runs(names):
            last = f" to {show.clean(run[-1])} ({len(run)} files)" if len(run) > 1 else ""
            show.err.print(f"    {show.clean(run[0])}{last}", style="yellow", markup=False)


def packed_facts(packed: Packed) -> dict[str, str]:
    """The bundle, for people."""
    bundle, scene = packed.bundle, packed.verdict.inspection
    return {
        "bundle": f"{packed.folder}, {counted(packed.files, 'file')}, {format_size(packed.size_bytes)}",
        "frames": f"{format_frames(bundle.frames)} ({len(bundle.frames)})",
        "picture": f"{scene.width}×{scene.height}, {bundle.format.value}",
        "engine": f"{scene.engine}, {counted(scene.samples, 'sample')}",
        "camera": scene.camera,
    }


def estimate_facts(estimate: Estimate) -> dict[str, str]:
    """The estimate, for people."""
    facts = {
        "a frame": f"{_span(estimate.frame_seconds)} ± {_span(estimate.error_seconds)} on this machine",
        "loading": _span(estimate.loading_seconds),
        "all frames": _span(estimate.total_seconds),
        "chunk": f"{counted(estimate.chunk, 'frame')}, {counted(estimate.chunks, 'job')} of "
        f"{_span(estimate.chunk_seconds)}",
        "lease": format_span(estimate.lease_seconds),
    }
    if estimate.price_fri is not None and estimate.frame_price_fri is not None:
        facts["price"] = f"{format_strk(estimate.frame_price_fri)} a frame, {format_strk(estimate.price_fri)}"
    return facts


def compared(comparison: Comparison) -> str:
    """Whether the bundle renders as its original does, in a sentence."""
    where = f"Frame {comparison.frame} at {comparison.width}×{comparison.height}"
    if comparison.lacking and not comparison.difference:
        return f"Whether the bundle renders as your files do is not known: it lacks {comparison.lacking}."
    if comparison.is_equal and comparison.not_run:
        return (
            f"{where} is the same from the bundle as from your files as far as can be told: without"
            f" {comparison.not_run}, which ran for neither, nor does for workers. If your picture needs that,"
            " bake what it does."
        )
    if comparison.is_equal:
        return f"{where} is the same from the bundle as from your files."
    lacking = f", and the bundle lacks {comparison.lacking}" if comparison.lacking else ""
    return f"{where} differs from the one of your files: {comparison.difference}{lacking}."


def as_object(packed: Packed, comparison: Comparison | None, estimate: Estimate | None) -> dict[str, Any]:
    """All of it for scripts."""
    return {
        "folder": str(packed.folder),
        "files": packed.files,
        "size_bytes": packed.size_bytes,
        "frames": format_frames(packed.bundle.frames),
        "chunk": packed.bundle.chunk,
        "outside": list(packed.outside),
        "collected": list(packed.collected),
        "left_out": [asdict(left) for left in packed.left_out],
        "traces": list(packed.traces),
        "warnings": list(packed.verdict.warnings),
        "comparison": None if comparison is None else {**asdict(comparison), "is_equal": comparison.is_equal},
        "estimate": None
        if estimate is None
        else {
            **asdict(estimate),
            "frame_price_fri": estimate.frame_price_fri,
            "chunks": estimate.chunks,
            "total_seconds": estimate.total_seconds,
        },
    }


def _span(seconds: float) -> str:
    return format_span(round(seconds, 1 if seconds < 10 else 0))
