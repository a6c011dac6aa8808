"""Blocking work of a fetch that is cancelled."""

from __future__ import annotations

import asyncio
import threading

import pytest

from veriframe.threads import run_uninterrupted


async def test_cancelled_work_has_ended() -> None:
    """fault_74: a file is not closed while a thread still writes to it."""
    started, resume, ended = threading.Event(), threading.Event(), threading.Event()

    def write() -> None:
        started.set()
        resume.wait(10)
        ended.set()
        raise OSError("the disk is full")

    working = asyncio.create_task(run_uninterrupted(write))
    await asyncio.to_thread(started.wait, 10)
    working.cancel()
    await asyncio.sleep(0.05)
    assert not working.done()
    resume.set()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert ended.is_set()
