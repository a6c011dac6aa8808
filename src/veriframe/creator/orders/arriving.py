"""Fetches frames' files a few at a time, within the room on the disk."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

from veriframe.creator.orders.results import ChunkResults
from veriframe.creator.orders.values import Chunk
from veriframe.errors import HostUnavailable
from veriframe.model.bundle.manifest import ManifestFrame
from veriframe.model.quantities import format_size

FETCHES = 4
"""How many frames are fetched at a time."""
BATCH = 8
"""How many frames are on the disk before they are checked."""


def require_room(folder: Path, frames: Sequence[ManifestFrame], disk_free_bytes: int) -> None:
    """Raise `HostUnavailable` unless the frames, and what is decoded of them, leave enough free disk."""
    needed = 2 * sum(frame.size_bytes for frame in frames) + disk_free_bytes
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise HostUnavailable(
            f"The next frames need {format_size(needed)} at {folder}, with disk_free_bytes, and "
            f"{format_size(free)} is free. Free some disk, pass a folder on another one with -o, or set "
            "disk_free_bytes lower; then fetch again: frames that are there stay."
        )


async def arrive(
    results: ChunkResults, chunk: Chunk, frames: Sequence[ManifestFrame], arriving: Path, fetched: Path
) -> None:
    """Fetch the files to `arriving`, and move them to `fetched` once all are there."""
    for folder in (arriving, fetched):
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    places = asyncio.Semaphore(FETCHES)

    async def one(frame: ManifestFrame) -> None:
        target = arriving / frame.file.rpartition("/")[2]
        async with places:
            # What an interrupted fetch completed is only to be checked.
            if not target.is_file():
                await results.frame(chunk, frame, target)

    # All of them, before the first error counts: what has arrived is kept for the next time.
    outcomes = await asyncio.gather(*map(one, frames), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    for frame in frames:
        name = frame.file.rpartition("/")[2]
        (arriving / name).replace(fetched / name)
