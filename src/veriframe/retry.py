"""The only retry policy of services, and how they end the tasks that they started."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import stamina
import structlog
from stamina.instrumentation import RetryDetails

from veriframe.errors import Unavailable

log = structlog.get_logger()

T = TypeVar("T")

FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 30.0


async def retrying(work: Callable[[], Awaitable[T]], on_wait: Callable[[str], None] = lambda what: None) -> T:
    """Runs `work`; while an outside part is unavailable, retries with growing, jittered waits.

    `on_wait` is told why it waits, each time, and gets an empty text when it waits no longer.
    """
    waits, began = False, time.monotonic()
    try:
        async for attempt in stamina.retry_context(
            on=Unavailable,
            attempts=None,
            timeout=None,
            wait_initial=FIRST_WAIT_SECONDS,
            wait_max=LONGEST_WAIT_SECONDS,
        ):
            with attempt:
                try:
                    done = await work()
                    if waits:
                        log.info("waiting_over", seconds=round(time.monotonic() - began, 1))
                    return done
                except Unavailable as error:
                    waits = True
                    on_wait(str(error))
                    raise
    finally:
        if waits:
            on_wait("")
    raise AssertionError("retried for ever")


def log_wait(details: RetryDetails) -> None:
    """Logs each wait with its reason, and since when. A hook for stamina."""
    since = datetime.now(UTC) - timedelta(seconds=details.waited_so_far)
    log.warning(
        "waiting",
        reason=str(details.caused_by),
        seconds=round(details.wait_for, 1),
        since=f"{since:%Y-%m-%d %H:%M:%S} UTC",
        waited_seconds=round(details.waited_so_far, 1),
    )


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancels tasks, and waits until they have ended."""
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
