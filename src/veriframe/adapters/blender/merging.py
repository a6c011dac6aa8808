"""Merging of a split still: its tiles become one picture in a clean sandbox, which Blender then denoises."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path, PurePosixPath

from veriframe.adapters.blender import outcome, scripts
from veriframe.adapters.blender.runtimes import WorkerPython
from veriframe.adapters.blender.sandbox import visible
from veriframe.adapters.blender.sandbox.limits import host_errors
from veriframe.adapters.blender.sandbox.run import OUT, Ending, Sandbox
from veriframe.errors import Code, ValidationFailed
from veriframe.model.attempt.lease import decoding_seconds
from veriframe.model.bundle.chunks import whole_region
from veriframe.model.rendering.frames import Region, RenderLimits, RenderTask
from veriframe.model.rendering.sizes import PROOF_CHANNELS
from veriframe.model.text import printable
from veriframe.ports.renderer import Tile
from veriframe.threads import run_uninterrupted

_TILES = PurePosixPath("/job/tiles")
_LISTING = PurePosixPath("/job/tiles.json")
_MERGED = "merged.exr"


@contextlib.asynccontextmanager
async def merged(
    sandbox: Sandbox,
    tiles: Sequence[Tile],
    task: RenderTask,
    limits: RenderLimits,
    *,
    proof: bool = False,
) -> AsyncIterator[Path]:
    """Yields the merged picture, not denoised. `proof`: the only tile is a published proof.

    Raises `ValidationFailed` (NOT_IMAGE), `RenderFailed` (OOM), `HostUnavailable`.
    """
    assert task.size is not None, "known from the inspection"
    async with scripts.scratch() as folder:
        shown, out, listing = folder / "tiles", folder / "out", folder / "tiles.json"
        with host_errors.as_unavailable():
            await run_uninterrupted(_gather, tiles, shown, out)
            listing.write_text(
                _listing(tiles, task.size, "Noisy Image" if proof else "Combined"), encoding="ascii"
            )
            for path in (shown, listing, folder):
                visible.grant_access(path)
        script = scripts.Script(
            name="decoding/merge_tiles.py",
            arguments=(_TILES, OUT, _LISTING),
            shown={_TILES: shown, _LISTING: listing},
            out=out,
            expected=(_MERGED,),
            wall_seconds=limits.wall_seconds(1) + 4 * decoding_seconds(*task.size),
            limits=limits,
        )
        end, report = await scripts.run_script(sandbox, WorkerPython(), script)
        if end.ending is Ending.SANDBOX_FAILED:
            raise outcome.sandbox_failed(end)
        samples = PROOF_CHANNELS * task.size[0] * task.size[1]
        if at_limit := outcome.decoding_memory(end, report.error, limits, samples):
            raise at_limit
        if not report.finished or end.fault:
            unfit = "The proof cannot be denoised" if proof else "The tiles cannot be merged"
            why = report.error or (end.fault.sentence if end.fault else end.ending.value)
            raise ValidationFailed(Code.NOT_IMAGE, f"{unfit}: {printable(why, 300)}.")
        yield out / _MERGED


def of_proof(
    sandbox: Sandbox, proof: Path, task: RenderTask, limits: RenderLimits
) -> AbstractAsyncContextManager[Path]:
    """Yields what a published proof of one layer holds, as `merged` does."""
    assert task.size is not None, "known from the inspection"
    whole = whole_region(task.size)
    return merged(sandbox, [Tile(proof, whole, whole)], task, limits, proof=True)


def _gather(tiles: Sequence[Tile], shown: Path, out: Path) -> None:
    """Copies the tiles into one folder."""
    shown.mkdir()
    out.mkdir()
    for place, tile in enumerate(tiles):
        copy = shown / _name(place)
        shutil.copyfile(tile.file, copy)
        visible.grant_access(copy)


def _listing(tiles: Sequence[Tile], size: tuple[int, int], picture: str) -> str:
    listed = [
        {"file": _name(place), "shown": _numbers(tile.shown), "kept": _numbers(tile.kept)}
        for place, tile in enumerate(tiles)
    ]
    return json.dumps({"width": size[0], "height": size[1], "picture": picture, "tiles": listed})


def _name(place: int) -> str:
    return f"{place:04d}.exr"


def _numbers(region: Region) -> list[int]:
    return [region.left, region.top, region.width, region.height]
