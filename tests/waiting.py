"""Waiting for something to happen, without guessing how long it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(happened: Callable[[], object]) -> None:
    """Waits until a condition holds, at most a minute: retries on a busy machine may be half of one apart."""
    async with asyncio.timeout(60):
        while not happened():  # noqa: ASYNC110 - the condition may be anything
            await asyncio.sleep(0.001)


async def turns() -> None:
    """Lets all tasks run until they wait for something outside the loop."""
    for _ in range(10):
        await asyncio.sleep(0)
