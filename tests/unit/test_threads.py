"""Threads: long work delays neither SQLite nor short work, and cancelled work has ended."""

from __future__ import annotations

import asyncio
import fcntl
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio
from tests.unit.adapters.starknet.transactions.test_outbox import ENTRY
from tests.waiting import turns

from veriframe.adapters.local_registry import LocalRegistry
from veriframe.adapters.local_store import LocalStore
from veriframe.adapters.starknet.transactions.outbox import Outbox
from veriframe.threads import BULK_THREADS, run_briefly, run_stoppable, run_uninterrupted


@pytest_asyncio.fixture
async def crowded() -> AsyncIterator[None]:
    """All bulk threads are at work, and as many jobs wait for one; they still do when the test ends."""
    going_on = threading.Event()
    jobs = [asyncio.create_task(run_uninterrupted(going_on.wait, 10)) for _ in range(2 * BULK_THREADS)]
    await asyncio.sleep(0)
    yield
    assert not any(job.done() for job in jobs)
    going_on.set()
    await asyncio.gather(*jobs)


@pytest.mark.usefixtures("crowded")
async def test_the_registry_answers_during_copies(tmp_path: Path) -> None:
    """fault_92: with six copies under way, it answered only after a second."""
    with closing(LocalRegistry(tmp_path / "registry.sqlite", "worker")) as registry:
        assert (await registry.snapshot(1, 1)).head.number > 0


@pytest.mark.usefixtures("crowded")
async def test_a_store_lists_its_pins_during_copies(tmp_path: Path) -> None:
    """fault_92: as it does with short work, such as signing."""
    store = LocalStore(tmp_path / "store", 1000)
    await store.ready()
    assert (list(await store.pins()), await run_briefly(lambda: 1)) == ([], 1)


async def test_copies_go_on_while_others_wait_for_the_lock(tmp_path: Path) -> None:
    """fault_92: a wait for another process takes no thread."""
    store = LocalStore(tmp_path / "store", 1000)
    await store.ready()
    with (tmp_path / "store" / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        waiting = [asyncio.create_task(store.pins()) for _ in range(100)]
        await turns()
        assert await run_uninterrupted(lambda: 1) == await run_briefly(lambda: 1) == 1
        assert not any(task.done() for task in waiting)
    assert await asyncio.gather(*waiting) == [[]] * 100


async def test_a_locked_outbox_does_not_stop_the_loop(tmp_path: Path) -> None:
    """fault_92: while another program holds the file, everything else goes on; a cancelled move is stored."""
    with (
        closing(Outbox(tmp_path / "outbox.sqlite")) as outbox,
        closing(sqlite3.connect(tmp_path / "outbox.sqlite", isolation_level=None)) as other,
    ):
        other.execute("BEGIN EXCLUSIVE")
        adding = asyncio.create_task(outbox.add(ENTRY))
        await turns()
        adding.cancel()
        await turns()
        assert not adding.done()
        other.execute("ROLLBACK")
        with pytest.raises(asyncio.CancelledError):
            await adding
        assert await outbox.open(ENTRY.chain_id, ENTRY.account) == [ENTRY]


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
    await turns()
    assert not working.done()
    resume.set()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert ended.is_set()


@pytest.mark.usefixtures("crowded")
async def test_cancelled_work_that_waits_for_a_thread_is_not_begun() -> None:
    """fault_74: if it may be stopped; clean-up runs in any case."""
    stop, begun = threading.Event(), threading.Event()
    working = asyncio.create_task(run_stoppable(stop, begun.set))
    await asyncio.sleep(0)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert (stop.is_set(), begun.is_set()) == (True, False)


async def test_stoppable_work_is_told_to_stop() -> None:
    """fault_74: and its caller still waits for its end."""
    stop, started, ended = threading.Event(), asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def work() -> None:
        loop.call_soon_threadsafe(started.set)
        if stop.wait(10):
            ended.set()

    working = asyncio.create_task(run_stoppable(stop, work))
    await started.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert ended.is_set()
