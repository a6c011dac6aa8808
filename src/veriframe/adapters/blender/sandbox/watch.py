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
# How often stopped processes are looked at, and what they may use all the same: a call that the signal
# interrupted is carried out first.
_REST_POLL_SECONDS, _REST_SECONDS, _REST_BYTES = 0.5, 1.0, 2**26


class Watcher:
    """The limits of one run that no kernel enforces. `end` is called with the reason to end it."""

    def __init__(self, run: SandboxedRun, writable: Writable, end: Callable[[Ending], None]) -> None:
        self._limits, self._writable, self._end = run.limits, writable, end
        self.deadline = time.monotonic() + (run.limits.wall_seconds or math.inf)
        self.stop_at = math.inf
        """When a program that has finished its work is ended."""
        self.paused = False
        self.peak_bytes = 0
        self._rests: tuple[int, resource_usage.Usage] | None = None
        self._look_at = 0.0

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
            if self._rests is not None and now > self._look_at:
                self._look_at = now + _REST_POLL_SECONDS
                if _has_worked(*self._rests):
                    self._end(Ending.TIMEOUT)

    def rest(self, root: int, before: resource_usage.Usage) -> None:
        """From now on all processes below `root` are stopped, and had used `before`.

        A stop alone does not hold a hostile program: a timer of its own whose signal is SIGCONT continues it.
        """
        self._rests, self.paused = (root, before), True

    def resume(self) -> None:
        """They work again."""
        self._rests, self.paused = None, False

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


def _has_worked(root: int, before: resource_usage.Usage) -> bool:
    """Whether processes that are stopped have used anything, or are not those that were stopped."""
    now = resource_usage.measure_tree(root)
    return (
        not set(now.pids) <= set(before.pids)
        or now.ticks - before.ticks > _REST_SECONDS * resource_usage.TICKS_PER_SECOND
        or now.memory_bytes - before.memory_bytes > _REST_BYTES
    )
