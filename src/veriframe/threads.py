"""Blocking work in threads, so that the event loop stays free for all other jobs."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def run_uninterrupted(work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Run blocking work in a thread. Returns only when the work has ended, even if cancelled.

    So no caller closes a file that the thread still uses, whose descriptor number might then be reused.
    """
    # Not a task: code that cancels all tasks of a loop must not cut this off either.
    call = partial(contextvars.copy_context().run, work, *arguments, **named)
    return await wait_uninterrupted(asyncio.get_running_loop().run_in_executor(None, call))


async def wait_uninterrupted(running: asyncio.Future[T]) -> T:
    """Wait until a future has ended, however often this is cancelled; raise the cancellation only then."""
    cancelled: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return running.result()
    if not running.cancelled():
        running.exception()  # retrieved, so that asyncio does not warn about it
    raise cancelled
