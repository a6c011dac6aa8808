"""Blocking work in threads, so that the event loop stays free for all other jobs.

Long work waits for its turn in the bulk threads: copies, hashes, the removal of folders. Short work has the
event loop's own threads, and each SQLite file has a thread of its own (`sqlite_file`): neither waits for a
copy. No thread waits for a lock between processes: see `disk.locked`.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

BULK_THREADS = 8

_BULK = ThreadPoolExecutor(BULK_THREADS, thread_name_prefix="bulk")


async def run_uninterrupted(work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Run blocking work in a bulk thread. Returns only when the work has ended, even if cancelled.

    So no caller closes a file that the thread still uses, whose descriptor number might then be reused.
    """
    return await wait_uninterrupted(asyncio.wrap_future(submit(_BULK, partial(work, *arguments, **named))))


async def run_stoppable(
    stop: threading.Event, work: Callable[P, T], *arguments: P.args, **named: P.kwargs
) -> T:
    """Like `run_uninterrupted`, but if cancelled, sets `stop`, for work that ends early because of it.

    Work that still waits for a thread then is not begun.
    """
    job = submit(_BULK, partial(work, *arguments, **named))

    def end() -> None:
        stop.set()
        job.cancel()

    return await wait_uninterrupted(asyncio.wrap_future(job), end)


async def run_briefly(work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Like `run_uninterrupted`, for short work that must not wait for long work."""
    # Not a task: code that cancels all tasks of a loop must not cut this off either.
    call = partial(contextvars.copy_context().run, work, *arguments, **named)
    return await wait_uninterrupted(asyncio.get_running_loop().run_in_executor(None, call))


def submit(executor: Executor, work: Callable[[], T]) -> Future[T]:
    """Submit work with the caller's context variables, such as those of the log."""
    return executor.submit(contextvars.copy_context().run, work)


async def wait_uninterrupted(running: asyncio.Future[T], on_cancel: Callable[[], object] = lambda: None) -> T:
    """Wait until a future has ended, however often this is cancelled; raise the cancellation only then.

    `on_cancel` is called when it is cancelled.
    """
    cancelled: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError as error:
            cancelled = error
            on_cancel()
    if cancelled is None:
        return running.result()
    if not running.cancelled():
        running.exception()  # retrieved, so that asyncio does not warn about it
    raise cancelled


async def wait_for_end(running: asyncio.Future[Any]) -> None:
    """Wait as `wait_uninterrupted` does, whatever the outcome of the future is."""
    await wait_uninterrupted(asyncio.ensure_future(asyncio.wait([running])))
