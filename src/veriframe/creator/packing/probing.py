"""Small renders: of a bundle beside its original, and of three frames to tell what an order will take."""

from __future__ import annotations

import asyncio
import filecmp
import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from veriframe.creator.packing.values import Comparison, Found, Packed
from veriframe.model.bundle.estimate import Estimate, FrameCost, Probe, Work, cost_of, estimated
from veriframe.model.rendering.frames import Frame, RenderTask
from veriframe.model.rendering.scene import SceneInspection
from veriframe.model.text import some_names
from veriframe.ports.packer import ScenePacker
from veriframe.ports.renderer import Renderer, RenderSession

COMPARED_PIXELS = 160 * 90
COMPARED_SAMPLES = 4
PROBED_PIXELS = 160 * 90
"""About how many pixels the smaller probes have, but at most a quarter of a frame; the larger ones have four
times as many."""

SMALLEST_SHARE = 4
"""The probe with all samples has at least this part of the smaller probes' width."""

DENSE_SECONDS = 30.0
"""About how long the probes with all samples may take, those of all frames together."""

FEW_SAMPLES = 8
WARM_SECONDS = 60.0
"""After this time, further frames are probed only once."""


async def compare(packer: ScenePacker, renderer: Renderer, found: Found, packed: Packed) -> Comparison:
    """Render the middle frame of both, small, and compare the pixels. Raises `RenderFailed` and the like."""
    inspection, frames = packed.verdict.inspection, packed.bundle.frames
    number = frames[len(frames) // 2]
    task = _task(packed, number, _percent(inspection, COMPARED_PIXELS), COMPARED_SAMPLES)
    files = {str(file.source): file.source for file in found.files}
    with tempfile.TemporaryDirectory(prefix="veriframe-") as folder:
        async with renderer.open(packed.scene, packed.folder) as session:
            ours, frame = await _rendered(renderer, session, task, Path(folder) / "bundle")
        if found.within:
            files |= await _with_bakes(packer, found, Path(folder))
        async with packer.original(found.scene, files) as session:
            theirs, _ = await _rendered(renderer, session, task, Path(folder) / "original")
        is_equal = await asyncio.to_thread(filecmp.cmp, ours, theirs, shallow=False)
    return Comparison(
        frame=number,
        width=frame.width,
        height=frame.height,
        difference="" if is_equal else "their pixels differ",
        lacking=some_names([left.what for left in packed.left_out if left.is_used], limit=400),
        not_run=some_names(inspection.scripts, limit=400),
    )


async def _with_bakes(packer: ScenePacker, found: Found, folder: Path) -> dict[str, Path]:
    """The original scenes, with nothing changed but that bakes are in them.

    Blender does not read bakes of geometry nodes from a read-only folder.
    """
    saved = dict[str, Path]()
    for path, source in found.blends.items():
        others = {**found.within, **found.blends}
        del others[path]
        saved[path] = folder / f"{len(saved)}.blend"
        await packer.rewrite(source, others, {named: named for named in found.paths}, path, saved[path])
    return saved


async def estimate(renderer: Renderer, packed: Packed, hour_fri: int | None) -> Estimate:
    """Probe the first, the middle and the last frame."""
    inspection, frames = packed.verdict.inspection, packed.bundle.frames
    numbers = sorted({frames[0], frames[len(frames) // 2], frames[-1]})
    started = time.monotonic()
    async with renderer.open(packed.scene, packed.folder) as session:
        await session.inspect()
        loading = time.monotonic() - started
        costs = await _costs(session, packed, numbers)
    if len(costs) > 1:
        # The first frame of each chunk also fills memory with what all frames share.
        first, second = costs[0][1], costs[1][1]
        loading += max(0.0, first.fixed - second.fixed)
        costs[0] = (
            costs[0][0],
            FrameCost(
                fixed=min(first.fixed, second.fixed), by_pixel=first.by_pixel, by_sample=first.by_sample
            ),
        )
    return estimated(
        costs,
        Work(
            frames=len(frames),
            pixels=inspection.width * inspection.height,
            samples=_samples(inspection),
            loading_seconds=loading,
            chunk=packed.bundle.chunk if packed.chunk_is_given else None,
        ),
        hour_fri,
    )


async def _costs(
    session: RenderSession, packed: Packed, numbers: Sequence[int]
) -> list[tuple[int, FrameCost]]:
    inspection = packed.verdict.inspection
    small, samples = min(50, _percent(inspection, PROBED_PIXELS)), _samples(inspection)
    large, few = 2 * small, min(samples, FEW_SAMPLES)
    started, found = time.monotonic(), list[tuple[int, FrameCost]]()
    warm: list[Probe] = []
    for number in numbers:
        cold = await _probe(session, packed, number, small, few)
        if time.monotonic() - started < WARM_SECONDS or not warm:
            base = await _probe(session, packed, number, small, few)
            wide = await _probe(session, packed, number, large, few)
            warm = [base, wide]
            if samples > few:
                size = _dense(base, wide, small, samples, DENSE_SECONDS / len(numbers))
                dense = await _probe(session, packed, number, *size)
                again = await _probe(session, packed, number, small, few)
                # With another number of samples Blender prepares the scene anew. An order's frames have one.
                preparing = max(0.0, again.seconds - base.seconds)
                warm.append(replace(dense, seconds=max(0.0, dense.seconds - preparing)))
        found.append((number, cost_of(cold, warm)))
    return found


def _dense(base: Probe, wide: Probe, small: int, samples: int, seconds: float) -> tuple[int, int]:
    """The size, in percent, and samples of the probe with all samples: the whole frame if it takes no longer.

    Fewer pixels rather than fewer samples: adaptive sampling ends most pixels long before the last one, so
    that some samples do not tell what all take. Only the smallest such picture may have fewer.
    """
    slope = (wide.seconds - base.seconds) / max(1, wide.pixels - base.pixels)
    # Two renders differ by chance: a tenth of the time is the pixels' at least.
    slope = max(slope, 0.1 * base.seconds / base.pixels, 1e-9)
    fixed = max(0.0, base.seconds - base.pixels * slope)
    affordable = base.samples * max(seconds - fixed, seconds / 2) / (base.pixels * slope)
    percent = min(100, math.floor(small * math.sqrt(affordable / samples)))
    percent = max(percent, math.ceil(small / SMALLEST_SHARE))
    most = int(affordable * (small / percent) ** 2)
    return percent, max(base.samples, min(samples, most))


async def _probe(session: RenderSession, packed: Packed, number: int, percent: int, samples: int) -> Probe:
    task = _task(packed, number, percent, samples)
    with tempfile.TemporaryDirectory(prefix="veriframe-") as folder:
        (frame,) = [frame async for frame in session.frames(task, Path(folder))]
    return Probe(
        frame=number,
        pixels=frame.width * frame.height,
        samples=samples,
        seconds=frame.seconds,
    )


def _task(packed: Packed, number: int, percent: int, samples: int) -> RenderTask:
    inspection = packed.verdict.inspection
    return RenderTask(
        frames=(number,),
        format=packed.bundle.format,
        size=(inspection.width, inspection.height),
        percent=percent,
        samples=samples,
        overrides=packed.bundle.overrides,
    )


async def _rendered(
    renderer: Renderer, session: RenderSession, task: RenderTask, folder: Path
) -> tuple[Path, Frame]:
    """The validated picture of one frame, whose file depends on nothing but its pixels."""
    out, clean = folder / "out", folder / "clean"
    out.mkdir(parents=True)
    clean.mkdir()
    frames = [frame async for frame in session.frames(task, out)]
    (validated,) = await renderer.validate(task, frames, out, clean)
    return clean / validated.file, frames[0]


def _percent(inspection: SceneInspection, pixels: int) -> int:
    share = pixels / max(1, inspection.width * inspection.height)
    return max(1, min(100, math.ceil(100 * math.sqrt(share))))


def _samples(inspection: SceneInspection) -> int:
    """Samples count for Cycles alone: probes of other engines take the scene's own."""
    return max(1, inspection.samples) if inspection.engine == "CYCLES" else 1
