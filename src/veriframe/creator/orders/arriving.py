"""Fetches frames' files a few at a time, within the room on the disk and the time of a chunk."""

from __future__ import annotations

import asyncio
import math
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from veriframe.creator.orders.results import ChunkResults
from veriframe.creator.orders.values import Chunk
from veriframe.errors import HostUnavailable, StoreUnavailable
from veriframe.model.bundle.manifest import ManifestFrame
from veriframe.model.quantities import format_size, format_span

FETCHES = 4
"""How many frames are fetched at a time."""
BATCH = 8
"""How many frames are on the disk before they are checked."""


class Transfers:
    """The time that the files of one chunk may take, in seconds; that of checking them does not count."""

    def __init__(self, seconds: float) -> None:
        """Counts nothing yet."""
        self._seconds = self._left = seconds

    @asynccontextmanager
    async def counted(self) -> AsyncIterator[None]:
        """What is done within counts. Raises `StoreUnavailable` once the time is over."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._left if math.isfinite(self._left) else None):
                yield
        except TimeoutError:
            raise StoreUnavailable(
                f"its files did not all come within fetch_seconds ({format_span(round(self._seconds))}); "
                "the next fetch goes on"
            ) from None
        finally:
            self._left = max(0.0, self._left - (time.monotonic() - began))


def require_room(folder: Path, frames: Sequence[ManifestFrame], disk_free_bytes: int) -> None:
    """Raise `HostUnavailable` unless the frames, and what is decoded of them, leave enough free disk."""
    try:
        require_free(folder, 2 * sum(frame.size_bytes for frame in frames), disk_free_bytes)
    except HostUnavailable as error:
        raise HostUnavailable(
            f"The next frames do not fit: {error} Or pass a folder on another one with -o; then fetch again: "
            "frames that are there stay."
        ) from None


def require_free(folder: Path, size_bytes: int, disk_free_bytes: int) -> None:
    """Raise `HostUnavailable` unless so many bytes leave enough free disk."""
    needed, free = size_bytes + disk_free_bytes, shutil.disk_usage(folder).free
    if free < needed:
        raise HostUnavailable(
            f"{format_size(needed)} are needed at {folder}, with disk_free_bytes, and {format_size(free)} is "
            "free. Free some disk, or set disk_free_bytes lower."
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
