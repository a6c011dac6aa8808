"""The embedded registry and failures: foreign files, damage, locks, full disks, cancelled calls."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.adapters.local_registry.rows import CID, Client, tamper, terms
from tests.waiting import turns

from veriframe.adapters.local_registry import LocalRegistry, schema
from veriframe.errors import RegistryUnavailable, SettingsError
from veriframe.ports.registry import read_job

TAMPERINGS = [
    ("UPDATE balances SET amount_fri = '0' WHERE kind = 'credit'", "credit of"),
    ("INSERT OR REPLACE INTO totals VALUES ('burned', '9')", "burned"),
    ("DELETE FROM postings WHERE reason = 'bond'", "escrow of job 1"),
    ("UPDATE postings SET amount_fri = '999999' WHERE reason = 'reward'", "overdrawn"),
    ("UPDATE jobs SET state = 'PAID'", "Job 1 holds 0.00000000000000101 STRK, but its state requires 0 STRK"),
    ("DELETE FROM jobs", "Job 1 holds 0.00000000000000101 STRK, but its state requires 0 STRK"),
    ("UPDATE blocks SET time = time - 1 WHERE number = 3", "Block 3 is older"),
    ("DELETE FROM blocks WHERE number = 2", "newest has the number"),
]


@pytest.mark.parametrize(("statement", "finding"), TAMPERINGS)
async def test_an_audit_finds_what_does_not_add_up(
    path: Path, client: Client, statement: str, finding: str
) -> None:
    """I1, I2: every stored number can be computed from the ledger's rows."""
    creator, worker = client("creator"), client("worker")
    await creator.deposit(5000)
    await worker.deposit(500)
    await creator.create_order(CID, terms((await creator.snapshot(1, 0)).head.time), 1)
    await worker.claim(1)
    audit = await worker.audit()
    assert (audit.jobs, audit.is_clean) == (1, True)
    tamper(path, statement)
    audit = await worker.audit()
    assert not audit.is_clean
    assert finding in " ".join(audit.discrepancies)


async def refused(path: Path) -> str:
    """Returns the message with which every call refuses a file."""
    registry = LocalRegistry(path, "worker")
    sentences = []
    for _ in range(2):
        with pytest.raises(SettingsError) as raised:
            await registry.snapshot(1, 0)
        sentences.append(str(raised.value))
    registry.close()
    assert sentences[0] == sentences[1]
    assert str(path) in sentences[0]
    return sentences[0]


async def test_other_files_are_refused(tmp_path: Path) -> None:
    """Text, an empty file, another program's database: the error has a remedy, the file is unchanged."""
    text, empty, other = tmp_path / "text", tmp_path / "empty", tmp_path / "other"
    text.write_text("This is no database. " * 100)
    empty.touch()
    tamper(other, "CREATE TABLE journal (entry)")
    before = [file.read_bytes() for file in (text, empty, other)]
    assert "is damaged (it is not a database)" in await refused(text)
    assert "is damaged (it is empty)" in await refused(empty)
    assert "not a registry" in await refused(other)
    assert [file.read_bytes() for file in (text, empty, other)] == before


async def test_a_newer_version_is_refused(path: Path, client: Client) -> None:
    """An older VeriFrame must not write to tables that it does not know."""
    registry = client("worker")
    await registry.snapshot(1, 0)
    registry.close()
    known = len(schema.KIND.migrations)
    tamper(path, f"PRAGMA user_version = {known + 1}")
    assert f"version {known + 1}, but this VeriFrame knows only {known}" in await refused(path)


async def test_a_registry_of_an_earlier_version_gets_an_identity(path: Path, client: Client) -> None:
    """fault_91: a file from before registries had identities draws one when it is next opened."""
    creator = client("creator")
    await creator.deposit(5000)
    name = await creator.identity()
    creator.close()
    tamper(path, "DROP TABLE identity")
    tamper(path, "PRAGMA user_version = 1")
    again = await client("creator").identity()
    assert again not in ("", name)
    assert again == await client("worker").identity()
    assert (await client("creator").funds(creator.account)).credit_fri == 5000


async def test_damage_is_reported(path: Path, client: Client) -> None:
    """fault_76: a file with overwritten pages is not replaced."""
    registry = client("worker")
    await registry.snapshot(1, 0)
    registry.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))  # noqa: ASYNC240 - small files of tests
    assert "damaged" in await refused(path)


async def test_an_unknown_state_is_damage(path: Path, client: Client) -> None:
    """A row with a value that the model does not know."""
    creator = client("creator")
    await creator.deposit(5000)
    await creator.create_order(CID, terms((await creator.snapshot(1, 0)).head.time), 1)
    tamper(path, "UPDATE jobs SET state = 'LOST'")
    with pytest.raises(SettingsError):
        await read_job(creator, 1)


async def test_a_log_without_its_file_is_refused(path: Path) -> None:
    """A registry of which only the log is left is not replaced silently."""
    path.parent.mkdir(parents=True)
    path.with_name(path.name + "-wal").write_bytes(b"moves")
    assert "is gone" in await refused(path)
    assert not path.exists()  # noqa: ASYNC240 - small files of tests


async def test_a_failing_disk_is_a_temporary_failure(tmp_path: Path, client: Client) -> None:
    """fault_76: a folder in place of the file; but a file in place of the folder needs another setting."""
    (tmp_path / "file").write_text("in the way")
    places = {tmp_path: RegistryUnavailable, tmp_path / "file" / "registry.sqlite": SettingsError}
    for place, error in places.items():
        registry = LocalRegistry(place, "worker")
        with pytest.raises(error):
            await registry.snapshot(1, 0)
        registry.close()


async def test_a_locked_file_is_waited_for_and_then_reported(
    path: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_76: another program holds the lock; nothing is changed, and later moves are made."""
    monkeypatch.setattr(schema, "KIND", replace(schema.KIND, busy_seconds=0.1))
    worker = client("worker")
    await worker.snapshot(1, 0)
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(RegistryUnavailable):
            await worker.deposit(5)
        assert (await worker.funds(worker.account)).credit_fri == 0
    await worker.deposit(5)
    assert (await worker.funds(worker.account)).credit_fri == 5


async def test_a_full_disk_changes_nothing(path: Path, client: Client) -> None:
    """fault_76: the move fails as a whole, and succeeds once there is space."""
    worker = client("worker")
    await worker.deposit(5)
    connection = worker._connection
    assert connection is not None
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    done: list[int] = []

    async def fill() -> None:
        for number in itertools.count():
            await worker.deposit(1)
            done.append(number)

    with pytest.raises(RegistryUnavailable):
        await fill()
    assert (await worker.funds(worker.account)).credit_fri == 5 + len(done)
    assert (await worker.audit()).is_clean
    connection.execute("PRAGMA max_page_count = 1000000")
    await worker.deposit(1)
    assert (await worker.funds(worker.account)).credit_fri == 6 + len(done)


async def test_many_calls_at_once_are_all_made(client: Client) -> None:
    """One account's tasks use its connection one after the other."""
    worker, other = client("worker"), client("other")
    await asyncio.gather(*(registry.deposit(1) for registry in (worker, other) for _ in range(50)))
    assert (await worker.totals()).credit_fri == 100
    assert (await worker.audit()).is_clean


async def test_a_cancelled_move_is_made_or_not(client: Client) -> None:
    """Cancelling leaves no half-made move and no lock behind."""
    worker = client("worker")
    await worker.deposit(1)
    for _ in range(20):
        task = asyncio.create_task(worker.deposit(1))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await worker.deposit(1)
    assert 2 <= (await worker.totals()).credit_fri <= 22
    assert (await worker.audit()).is_clean


async def test_the_event_loop_is_not_blocked_by_the_disk(
    path: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock held by another program does not delay heartbeats and deadlines."""
    monkeypatch.setattr(schema, "KIND", replace(schema.KIND, busy_seconds=30.0))
    worker = client("worker")
    await worker.snapshot(1, 0)
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(worker.deposit(5))
        await turns()
        assert not waiting.done()
        holder.rollback()
    await waiting


async def test_a_link_to_a_file_is_followed(path: Path, tmp_path: Path, client: Client) -> None:
    """An operator may keep the registry on another disk."""
    await client("worker").deposit(5)
    link = tmp_path / "link.sqlite"
    link.symlink_to(path)
    registry = LocalRegistry(link, "other")
    assert (await registry.totals()).credit_fri == 5
    registry.close()
