"""Whether a scene comes fast enough: what drips in keeps a slot from others as surely as what never comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from veriframe.errors import Code, JobRejected
from veriframe.ports.store import Transfer

T = TypeVar("T")

GRACE_SECONDS = 60.0
"""From the first byte on: connections need a while to get going."""

LEAST_BYTES_PER_SECOND = 64 * 1024
"""After that, on average. A large scene has to come faster, so that all of it fits into its time."""

LOOK_SECONDS = 1.0


class Throughput:
    """Hears of one transfer, which may take `allowed_seconds` in all."""

    def __init__(self, allowed_seconds: float, clock: Callable[[], float]) -> None:
        """`clock` gives seconds that only go on."""
        self._allowed_seconds, self._clock = allowed_seconds, clock
        self._first: tuple[float, int] | None = None
        self._last: Transfer | None = None

    def on_transfer(self, transfer: Transfer) -> None:
        """So much has come. What was there before the first call does not count."""
        if self._first is None:
            self._first = self._clock(), transfer.done_bytes
        self._last = transfer

    def require(self) -> None:
        """Raise `JobRejected` (NOT_FOUND) where it comes too slowly."""
        if self._first is None or self._last is None:
            return
        began, before = self._first
        seconds = self._clock() - began
        rate = self.least_bytes_per_second
        came = self._last.done_bytes - before
        if seconds > GRACE_SECONDS and came < (seconds - GRACE_SECONDS) * rate:
            raise JobRejected(
                Code.NOT_FOUND,
                f"The scene comes too slowly: {came} bytes in {seconds:.0f} s, where {rate} bytes a second "
                "are the least after the first minute. Keep it where it can be had faster.",
            )

    @property
    def least_bytes_per_second(self) -> int:
        """At least this fast: half of what the whole size needs, where that is known and more."""
        total = self._last.total_bytes if self._last is not None else None
        return max(LEAST_BYTES_PER_SECOND, int((total or 0) / self._allowed_seconds / 2))

    async def hold(self, work: Coroutine[Any, Any, T]) -> T:
        """Do `work` as long as it is fast enough."""
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                await asyncio.wait((task,), timeout=LOOK_SECONDS)
                if not task.done():
                    self.require()
            return await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
