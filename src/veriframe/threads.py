"""Blocking work beside the event loop, which must keep turning for all other jobs."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def to_the_end(work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Run blocking work in a thread. Where this is cancelled, the work has ended on return.

    So nobody closes a file under it, and lets it write to whatever is opened next by that number.
    """
    # No task: whoever cancels all of a loop's tasks must not cut this off either.
    call = partial(contextvars.copy_context().run, work, *arguments, **named)
    return await outlasting(asyncio.get_running_loop().run_in_executor(None, call))


async def outlasting(running: asyncio.Future[T]) -> T:
    """Wait until something has ended, however often this is cancelled, and only then be cancelled."""
    cancelled: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return running.result()
    if not running.cancelled():
        running.exception()  # looked at, so that nobody warns of it
    raise cancelled
