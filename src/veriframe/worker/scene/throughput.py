"""Whether a scene arrives fast enough: a slow one blocks a slot as much as one that never arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from veriframe.errors import Code, JobRejected
from veriframe.ports.store import Transfer

T = TypeVar("T")

GRACE_SECONDS = 60.0
"""From the first byte on: connections need a while to reach their speed."""

LEAST_BYTES_PER_SECOND = 64 * 1024
"""After that, on average. A large scene must arrive faster, to be complete within its time."""

CHECK_SECONDS = 1.0


class Throughput:
    """The rate of one transfer, which may take `allowed_seconds` in total."""

    def __init__(self, allowed_seconds: float, clock: Callable[[], float]) -> None:
        """`clock` gives monotonic seconds."""
        self._allowed_seconds, self._clock = allowed_seconds, clock
        self._first: tuple[float, int] | None = None
        self._last: Transfer | None = None

    def on_transfer(self, transfer: Transfer) -> None:
        """Receives the progress. Bytes that were there before the first call do not count."""
        if self._first is None:
            self._first = self._clock(), transfer.done_bytes
        self._last = transfer

    def require(self) -> None:
        """Raises `JobRejected` (NOT_FOUND) if the scene arrives too slowly."""
        if self._first is None or self._last is None:
            return
        began, before = self._first
        seconds = self._clock() - began
        rate = self.least_bytes_per_second
        received = self._last.done_bytes - before
        if seconds > GRACE_SECONDS and received < (seconds - GRACE_SECONDS) * rate:
            raise JobRejected(
                Code.NOT_FOUND,
                f"The scene arrives too slowly: {received} bytes in {seconds:.0f} s; {rate} bytes a second "
                "are required after the first minute. Share it from a faster connection.",
            )

    @property
    def least_bytes_per_second(self) -> int:
        """The required rate: half of what the whole size needs, if that is known and more."""
        total = self._last.total_bytes if self._last is not None else None
        return max(LEAST_BYTES_PER_SECOND, int((total or 0) / self._allowed_seconds / 2))

    async def enforce(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs `work` while it is fast enough."""
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                await asyncio.wait((task,), timeout=CHECK_SECONDS)
                if not task.done():
                    self.require()
            return await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
