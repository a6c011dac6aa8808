"""Watches a run from outside: its time, its output and its memory."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence

from veriframe.adapters.blender.sandbox.limits import resource_usage
from veriframe.adapters.blender.sandbox.output_mounts import Writable
from veriframe.adapters.blender.sandbox.run import Ending, SandboxedRun

_POLL_SECONDS = 0.1
# The pause after a slow measurement of memory, as a multiple of its duration, and the longest pause.
_PAUSE_FACTOR, _MAX_PAUSE_SECONDS = 4, 2.0


class Watcher:
    """The limits of one run that no kernel enforces. `end` is called with the reason to end it."""

    def __init__(self, run: SandboxedRun, writable: Writable, end: Callable[[Ending], None]) -> None:
        self._limits, self._writable, self._end = run.limits, writable, end
        self.deadline = time.monotonic() + (run.limits.wall_seconds or math.inf)
        self.stop_at = math.inf
        """When a program that has finished its work is ended."""
        self.paused = False
        self.peak_bytes = 0

    async def watch(self) -> None:
        """Enforces the limits of time and output."""
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            now = time.monotonic()
            if now > self.deadline:
                self._end(Ending.TIMEOUT)
            if now > self.stop_at:
                self._end(Ending.STOPPED)
            if not self.paused and (await self.exceeds_output() or self._writable.is_full()):
                self._end(Ending.OUTPUT_LIMIT)

    async def exceeds_output(self) -> bool:
        """Whether the program has written more than allowed. Listing folders may take long."""
        if self._writable.in_memory:
            return self._writable.exceeds(self._limits)
        return await asyncio.to_thread(self._writable.exceeds, self._limits)

    async def watch_memory(self, root: int) -> None:
        """Enforces the limits of memory and processes below `root`. Measuring may take long."""
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            if not self.paused and (limit := self._watch_tree(root)):
                await asyncio.sleep(await self._check_memory(*limit))

    def _watch_tree(self, root: int) -> tuple[int, Sequence[int]] | None:
        """Returns the memory limit and the processes if their summed memory is over the limit."""
        usage, files = resource_usage.measure_tree(root), self._writable.memory_bytes()
        self.peak_bytes = max(self.peak_bytes, usage.memory_bytes + files)
        if usage.threads > self._limits.pids:
            self._end(Ending.PIDS)
        limit = self._limits.memory_bytes - files
        return (limit, usage.pids) if usage.memory_bytes > limit else None

    async def _check_memory(self, limit: int, pids: Sequence[int]) -> float:
        """Counts shared pages once, which can be slow. Returns the pause until the next check in seconds."""
        started = time.monotonic()
        # Files in memory are already counted, mapped or not.
        shared = not self._writable.in_memory
        if await asyncio.to_thread(resource_usage.proportional_bytes, pids, shared=shared) > limit:
            self._end(Ending.OOM)
        return min(_PAUSE_FACTOR * (time.monotonic() - started), _MAX_PAUSE_SECONDS)
