"""Whether a scene arrives, and fast enough: others may wait for its place among the fetches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from veriframe.errors import Code, JobRejected, SceneDelayed
from veriframe.model.quantities import format_size, format_span
from veriframe.ports.store import Transfer
from veriframe.worker.listener import SCENE

T = TypeVar("T")

GRACE_SECONDS = 60.0
"""From the first byte on: connections need a while to reach their speed."""

LEAST_BYTES_PER_SECOND = 64 * 1024
"""After that, on average. A large scene must arrive faster, to be complete within its time."""

CHECK_SECONDS = 1.0

SILENT_SECONDS = 5.0
"""After this long without a byte, a scene is waited for rather than fetched: see `Throughput.is_silent`."""


class Throughput:
    """The rate of one transfer, which may take `allowed_seconds` in total."""

    def __init__(
        self,
        allowed_seconds: float,
        clock: Callable[[], float],
        on_wait: Callable[[str], None] = lambda what: None,
    ) -> None:
        """`clock` gives monotonic seconds. `on_wait` is told when nothing arrives, and when it does again."""
        self._allowed_seconds, self._clock, self._on_wait = allowed_seconds, clock, on_wait
        self._heard_at, self._is_waiting, self._must_yield = clock(), False, False
        self._first: tuple[float, int] | None = None
        self._last: Transfer | None = None

    def on_transfer(self, transfer: Transfer) -> None:
        """Receives the progress. Bytes that were there before the first call do not count."""
        if self._first is None:
            self._first = self._clock(), transfer.done_bytes
        if self._last is None or transfer.done_bytes > self._last.done_bytes:
            self._heard_at = self._clock()
        self._last = transfer

    @property
    def silent_seconds(self) -> float:
        """For how long no byte has arrived."""
        return self._clock() - self._heard_at

    @property
    def done_bytes(self) -> int:
        """How much of the scene is on the disk."""
        return self._last.done_bytes if self._last is not None else 0

    @property
    def is_silent(self) -> bool:
        """Whether it is waited for rather than fetched."""
        return self.silent_seconds >= SILENT_SECONDS

    def give_way(self) -> None:
        """Ends the transfer: another scene needs its place."""
        self._must_yield = True

    def require(self) -> None:
        """Raises `JobRejected` (NOT_FOUND) if the scene is too slow, `SceneDelayed` if it has to give way."""
        if self._must_yield:
            raise SceneDelayed("Nothing of its scene arrives, and other scenes need its place.")
        if self.is_silent is not self._is_waiting:
            self._is_waiting = self.is_silent
            self._on_wait(SCENE if self._is_waiting else "")
        if self._first is None or self._last is None:
            return
        began, before = self._first
        seconds = self._clock() - began
        rate = self.least_bytes_per_second
        received = self._last.done_bytes - before
        if seconds > GRACE_SECONDS and received < (seconds - GRACE_SECONDS) * rate:
            raise JobRejected(
                Code.NOT_FOUND,
                f"The scene arrives too slowly: {format_size(received)} in {format_span(round(seconds))}; "
                f"{format_size(rate)} a second are required after the first minute. Share it from a faster"
                " connection.",
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
