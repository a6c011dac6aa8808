"""How long to wait for a node, and how slow its streams may be."""

from __future__ import annotations

import time
from dataclasses import dataclass

from veriframe.errors import StoreUnavailable
from veriframe.model.content.cid import Cid
from veriframe.model.quantities import format_size


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
            rate = format_size(round(self._bytes / seconds))
            raise TooSlow(
                f"{self._cid} arrives at {rate} a second, which is too slow."
                " Check the connection of the IPFS node. Trying again later."
            )
        self._since, self._bytes = time.monotonic(), 0
