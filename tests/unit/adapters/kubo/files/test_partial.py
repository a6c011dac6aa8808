"""Blocking work of a fetch that is cut off."""

from __future__ import annotations

import asyncio
import threading

import pytest

from veriframe.threads import to_the_end


async def test_work_has_ended_where_it_was_cancelled() -> None:
    """fault_74: nobody closes a file while a thread still writes to it."""
    started, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def write() -> None:
        started.set()
        go_on.wait(10)
        ended.set()
        raise OSError("the disk is full")

    working = asyncio.create_task(to_the_end(write))
    await asyncio.to_thread(started.wait, 10)
    working.cancel()
    await asyncio.sleep(0.05)
    assert not working.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert ended.is_set()
