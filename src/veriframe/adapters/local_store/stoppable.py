"""Blocking work in a thread that reports its progress and can be stopped."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from veriframe.ports.store import OnTransfer, Transfer

T = TypeVar("T")


class Stopped(Exception):
    """The work was stopped, because its caller no longer waits for it."""


class CopyProgress:
    """Progress and cancellation of a copy. `on_bytes` receives the bytes done; setting `stop` ends it."""

    def __init__(self, on_bytes: Callable[[int, int | None], None] = lambda done, total: None) -> None:
        self.stop = threading.Event()
        self.total_bytes: int | None = None
        self._on_bytes, self._done_bytes = on_bytes, 0

    def moved(self, size_bytes: int) -> None:
        """Records that this many more bytes are done. Raises `Stopped`."""
        if self.stop.is_set():
            raise Stopped
        self._done_bytes += size_bytes
        self._on_bytes(self._done_bytes, self.total_bytes)


async def in_thread(work: Callable[[CopyProgress], T], on_progress: OnTransfer | None = None) -> T:
    """Runs blocking work in a thread. If this is cancelled, it waits until the work has ended.

    `on_progress` is called in the event loop's thread.
    """
    loop = asyncio.get_running_loop()

    def on_bytes(done_bytes: int, total_bytes: int | None) -> None:
        if on_progress is not None:
            transfer = Transfer(done_bytes=done_bytes, total_bytes=total_bytes)
            loop.call_soon_threadsafe(on_progress, transfer)

    watch = CopyProgress(on_bytes)
    running = asyncio.ensure_future(asyncio.to_thread(work, watch))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        watch.stop.set()
        await asyncio.wait([running])
        if not running.cancelled():
            running.exception()
        raise
