"""The stream of a file from a node, hashed as it arrives, and resumed after an interruption."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from veriframe.adapters.kubo.blocks.mismatch import ContentMismatch
from veriframe.adapters.kubo.files.partial import WRITE_BYTES, Partial
from veriframe.adapters.kubo.node.api import KuboApi, NodeRefused, Query
from veriframe.errors import StoreUnavailable
from veriframe.model.content.cid import Cid


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long to wait for a node, in seconds, and how slow a stream may be."""

    lookup_seconds: float = 60.0
    """Until the node has found a block in its network."""

    quiet_seconds: float = 60.0
    """For the next byte of a stream, and for the node to accept the next piece of an upload."""

    away_seconds: float = 30.0
    """For a node that does not answer, before the work is deferred."""

    window_seconds: float = 30.0
    least_bytes_per_second: int = 16_000
    """Averaged over each window, after the first byte."""

    total_seconds: float = 6 * 3600.0
    """For one fetch or one add, retries included."""


class TooSlow(StoreUnavailable):
    """The bytes arrive too slowly for the fetch to finish in time."""


class Download:
    """The stream of one file from a node, resumed after interruptions. `on_bytes` receives the byte count."""

    def __init__(self, api: KuboApi, cid: Cid, timeouts: Timeouts, on_bytes: Callable[[int], None]) -> None:
        self._api, self._cid, self._timeouts, self._on_bytes = api, cid, timeouts, on_bytes

    async def complete(self, part: Partial, total_bytes: int) -> None:
        """Fetches what `part` lacks of `total_bytes`. The caller checks the bytes against the CID.

        Raises `ContentMismatch`; `StoreUnavailable` if the node is unavailable or too slow: `part` is kept.
        """
        stuck_since, short_ends = time.monotonic(), 0
        while part.size_bytes < total_bytes:
            before, cut = part.size_bytes, None
            try:
                await self._stream(part, total_bytes)
            except (TooSlow, NodeRefused):
                raise
            except StoreUnavailable as error:
                cut = error
            # A few bytes on each attempt are no progress: otherwise a node could keep this loop going for
            # ever.
            if part.size_bytes - before >= WRITE_BYTES:
                stuck_since, short_ends = time.monotonic(), 0
            if part.size_bytes == total_bytes:
                break
            short_ends += cut is None
            if short_ends > 2:
                raise ContentMismatch(f"its stream ends after {part.size_bytes} of {total_bytes} bytes")
            if cut is not None and time.monotonic() - stuck_since > self._timeouts.away_seconds:
                raise cut
            await asyncio.sleep(min(1.0, self._timeouts.away_seconds / 10))

    async def _stream(self, part: Partial, total_bytes: int) -> None:
        query: Query = {"arg": str(self._cid), "offset": part.size_bytes, "progress": "false"}
        quiet_seconds = self._timeouts.quiet_seconds
        # Kept as they arrived: joining them would cost as much as hashing them.
        waiting, waiting_bytes = list[bytes](), 0
        try:
            async with self._api.post("cat", query, None, quiet_seconds=quiet_seconds) as answer:
                rate = TransferRate(self._timeouts, self._cid)
                async for piece in answer.pieces():
                    waiting.append(piece)
                    waiting_bytes += len(piece)
                    rate.count(len(piece))
                    if part.size_bytes + waiting_bytes > total_bytes:
                        waiting.clear()
                        raise ContentMismatch(f"its stream has more than {total_bytes} bytes")
                    if waiting_bytes >= WRITE_BYTES:
                        ready, waiting, waiting_bytes = waiting, [], 0
                        await part.append(ready)
                        self._on_bytes(part.size_bytes)
        finally:
            # An interruption loses nothing that has arrived.
            await part.append(waiting)
            self._on_bytes(part.size_bytes)


class TransferRate:
    """Checks that enough bytes of a CID arrive in each window of time."""

    def __init__(self, timeouts: Timeouts, cid: Cid) -> None:
        self._timeouts, self._cid = timeouts, cid
        self._since, self._bytes = time.monotonic(), 0

    def count(self, size_bytes: int) -> None:
        """Counts bytes. Raises `TooSlow` at the end of a window that had too few."""
        self._bytes += size_bytes
        seconds = time.monotonic() - self._since
        if seconds < self._timeouts.window_seconds:
            return
        if self._bytes < self._timeouts.least_bytes_per_second * seconds:
            raise TooSlow(
                f"{self._cid} arrives at {self._bytes / seconds:.0f} bytes a second, which is too slow."
                " Check the connection of the IPFS node. Trying again later."
            )
        self._since, self._bytes = time.monotonic(), 0
