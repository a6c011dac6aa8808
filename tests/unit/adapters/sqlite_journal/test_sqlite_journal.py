"""Tests of the SQLite journal beyond the port: durability, damage, locks, full disks, cancellation."""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.adapters.sqlite_journal.journals import (
    FAILURE,
    FETCHED,
    SEEN,
    ask,
    change,
    opened,
)
from tests.waiting import turns

from veriframe.adapters.sqlite_journal import SqliteJournal
from veriframe.adapters.sqlite_journal import journal as module
from veriframe.adapters.sqlite_journal.schema import KIND
from veriframe.errors import HostUnavailable, SettingsError


@contextmanager
def full_disk(limit_bytes: int) -> Iterator[None]:
    """Limits the size of files: a write beyond `limit_bytes` fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_journal_survives_reopening(path: Path) -> None:
    """fault_73: attempts and failures exist after the process has ended."""
    async with opened(path) as journal:
        assert await journal.history() == [SEEN]
        assert await journal.failures() == [FAILURE]


async def test_a_move_is_on_the_disk_at_once(path: Path) -> None:
    """fault_73: commits are synced, with a write-ahead log; another reader sees them at once."""
    async with opened(path) as journal:
        await journal.record(SEEN, FETCHED)
        assert ask(path, "SELECT stage FROM attempts") == "FETCHED"
        assert journal._connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert journal._connection.execute("PRAGMA synchronous").fetchone()[0] == 2


async def test_only_the_owner_reads_the_journal(path: Path) -> None:
    """fault_79: the file and its log are private, even if their mode was changed."""
    os.chmod(path, 0o644)  # noqa: PTH101
    async with opened(path) as journal:
        await journal.record(SEEN, FETCHED)
        modes = {file.name: file.stat().st_mode & 0o777 for file in os.scandir(path.parent)}
    assert modes == dict.fromkeys(("journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"), 0o600)


async def test_two_processes_cannot_both_move(path: Path) -> None:
    """fault_49: the second of two journals on one file finds that the stage has changed."""
    async with opened(path) as first, opened(path) as second:
        await first.record(SEEN, FETCHED)
        with pytest.raises(RuntimeError):
            await second.record(SEEN, FETCHED)


def damage_page(path: Path) -> None:
    """Overwrites a page in the middle of the tables."""
    with path.open("r+b") as file:
        file.seek(4096 + 8)
        file.write(b"\xff" * 400)


def damage_start(path: Path) -> None:
    """Overwrites the header."""
    with path.open("r+b") as file:
        file.write(b"\0" * 100)


def cut(path: Path) -> None:
    """Truncates the file to its first half."""
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def empty(path: Path) -> None:
    """Truncates the file to nothing."""
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [damage_page, damage_start, cut, empty])
def test_a_damaged_journal_is_refused(path: Path, damage: object) -> None:
    """fault_76: a damaged journal prevents the start; the error names it, and it is unchanged."""
    assert callable(damage)
    damage(path)
    before = path.read_bytes()
    with pytest.raises(SettingsError, match=r"journal\.sqlite"):
        SqliteJournal(path)
    assert path.read_bytes() == before


async def test_the_event_loop_is_not_blocked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the file is locked, other tasks run; the write then succeeds."""
    monkeypatch.setattr(module, "KIND", replace(KIND, busy_seconds=30.0))
    async with opened(path) as journal:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            writing = asyncio.create_task(journal.record(SEEN, FETCHED))
            await turns()
            assert not writing.done()
            other.execute("COMMIT")
        await writing
        assert await journal.history() == [FETCHED]


async def test_a_cancelled_write_is_completed_first(path: Path) -> None:
    """Whoever catches the cancellation finds the file as it would have been, however often it comes."""
    async with opened(path) as journal:
        is_held, release = threading.Event(), threading.Event()

        def hold() -> None:
            is_held.set()
            release.wait()

        held = asyncio.create_task(journal._run(hold))
        writing = asyncio.create_task(journal.record(SEEN, FETCHED))
        await asyncio.to_thread(is_held.wait)
        for _ in range(2):
            writing.cancel()
            await asyncio.sleep(0)
        was_done = writing.done()
        release.set()
        assert not was_done
        with pytest.raises(asyncio.CancelledError):
            await writing
        assert ask(path, "SELECT stage FROM attempts") == "FETCHED"
        await held


def test_a_lost_journal_is_not_replaced_beside_its_log(path: Path) -> None:
    """fault_76: a log without its journal shows that a journal was lost."""
    path.rename(path.with_name("journal.sqlite-wal"))
    with pytest.raises(SettingsError, match=r"journal\.sqlite-wal"):
        SqliteJournal(path)
    assert not path.exists()


def test_another_database_is_refused(tmp_path: Path) -> None:
    """fault_78: another program's SQLite file is not turned into a journal."""
    change(tmp_path / "other.sqlite", "CREATE TABLE accounts (name)")
    with pytest.raises(SettingsError, match=r"other\.sqlite"):
        SqliteJournal(tmp_path / "other.sqlite")
    assert ask(tmp_path / "other.sqlite", "SELECT count(*) FROM sqlite_master") == 1


async def test_a_locked_journal_is_waited_for_only_shortly(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_76: while another program locks the journal, writes fail."""
    monkeypatch.setattr(module, "KIND", replace(KIND, busy_seconds=0.05))
    async with opened(path) as journal:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(HostUnavailable):
                await journal.record(SEEN, FETCHED)
        assert await journal.history() == [SEEN]
        await journal.record(SEEN, FETCHED)


async def test_a_full_disk_is_reported_and_nothing_is_half_written(path: Path) -> None:
    """fault_76: if the log cannot grow, the move fails and the journal is unchanged."""
    async with opened(path) as journal:
        with full_disk(4096), pytest.raises(HostUnavailable):
            await journal.record(SEEN, FETCHED)
        assert await journal.history() == [SEEN]
        await journal.record(SEEN, FETCHED)
        assert await journal.history() == [FETCHED]


def test_no_journal_is_created_on_a_full_disk(tmp_path: Path) -> None:
    """fault_76: a journal that cannot be created is not left half-written."""
    with full_disk(4096), pytest.raises(HostUnavailable):
        SqliteJournal(tmp_path / "journal.sqlite")
    assert list(tmp_path.iterdir()) == []
    asyncio.run(SqliteJournal(tmp_path / "journal.sqlite").close())


def test_a_folder_in_the_way_is_named(tmp_path: Path) -> None:
    """fault_78: the error names a path that cannot be a journal."""
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="file cannot be written"):
        SqliteJournal(tmp_path / "file" / "journal.sqlite")
