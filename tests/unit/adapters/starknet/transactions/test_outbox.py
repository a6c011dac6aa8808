"""The outbox: stored before sending, and never two open transactions on a nonce."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from veriframe.adapters.starknet.transactions.outbox import Entry, Outbox, State
from veriframe.errors import HostUnavailable, SettingsError

ENTRY = Entry(
    chain_id=1,
    account=2**251,
    nonce=4,
    hash=0xA,
    origin=0xA,
    label="claim 7",
    state=State.SIGNED,
    payload='{"type": "INVOKE"}',
    signed_at=1000.5,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of a new outbox, in a folder that does not exist yet."""
    return tmp_path / "home" / "outbox.sqlite"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    """A new outbox."""
    opened = Outbox(path)
    yield opened
    opened.close()


async def test_entries_survive_reopening(path: Path, outbox: Outbox) -> None:
    """fault_73: with the same bytes, hash and nonce."""
    await outbox.add(ENTRY)
    outbox.close()
    again = Outbox(path)
    assert await again.open(1, 2**251) == [ENTRY]
    again.close()
    assert path.stat().st_mode & 0o777 == 0o600  # noqa: ASYNC240 - quick


async def test_two_open_transactions_on_a_nonce_are_a_bug(outbox: Outbox) -> None:
    """A nonce is decided once; the first stays as it is."""
    await outbox.add(ENTRY)
    with pytest.raises(RuntimeError, match="Nonce 4"):
        await outbox.add(replace(ENTRY, hash=0xB, origin=0xB))
    assert await outbox.open(1, 2**251) == [ENTRY]


async def test_a_higher_fee_replaces_a_transaction_in_one_step(outbox: Outbox) -> None:
    """The older one is replaced, the newer one open; both are siblings, newest first."""
    await outbox.add(ENTRY)
    replacement = replace(ENTRY, hash=0xB)
    await outbox.supersede(ENTRY, replacement)
    assert [replacement] == await outbox.open(1, 2**251)
    assert [replacement, replace(ENTRY, state=State.REPLACED)] == await outbox.siblings(ENTRY)


async def test_the_older_one_may_win_after_all(outbox: Outbox) -> None:
    """`exchange` reopens it."""
    await outbox.add(ENTRY)
    replacement = replace(ENTRY, hash=0xB)
    await outbox.supersede(ENTRY, replacement)
    await outbox.exchange(replacement, ENTRY)
    assert [replace(ENTRY, state=State.SENT)] == await outbox.open(1, 2**251)


@pytest.mark.parametrize("state", [State.DONE, State.FAILED])
async def test_an_outcome_is_unreported_until_it_is_marked(outbox: Outbox, state: State) -> None:
    """An outcome in a block is kept for its caller."""
    await outbox.add(ENTRY)
    await outbox.mark(ENTRY, state)
    assert [replace(ENTRY, state=state)] == await outbox.unreported(1, 2**251)
    await outbox.mark_reported(ENTRY)
    assert await outbox.unreported(1, 2**251) == []
    assert await outbox.open(1, 2**251) == []


async def test_finished_transactions_are_found_by_nonce_and_age(outbox: Outbox) -> None:
    """fault_66: only recent transactions from the chain's nonce on may have been undone."""
    await outbox.add(ENTRY)
    await outbox.mark(ENTRY, State.DONE)
    done = [replace(ENTRY, state=State.DONE)]
    for nonce, since, found in ((0, 0, done), (4, 1000, done), (5, 0, []), (0, 1001, [])):
        assert await outbox.ended_from(1, 2**251, nonce, since) == found
    await outbox.reopen(ENTRY, reported=True)
    assert [replace(ENTRY, state=State.SENT, reported=True)] == await outbox.open(1, 2**251)


async def test_a_refused_transaction_is_never_sent_again(outbox: Outbox) -> None:
    """A refused transaction is neither open nor in a block."""
    await outbox.add(ENTRY)
    await outbox.mark(ENTRY, State.REFUSED)
    for found in (outbox.open(1, 2**251), outbox.unreported(1, 2**251), outbox.ended_from(1, 2**251, 0, 0)):
        assert await found == []


async def test_chains_and_accounts_are_separate(outbox: Outbox) -> None:
    """The same nonce of another account, or on another chain, is independent."""
    others = [replace(ENTRY, account=3), replace(ENTRY, chain_id=2)]
    for entry in (ENTRY, *others):
        await outbox.add(entry)
    assert [[ENTRY], [others[0]], [others[1]]] == [
        await outbox.open(1, 2**251), await outbox.open(1, 3), await outbox.open(2, 2**251)
    ]  # fmt: skip


def test_a_commit_is_on_the_disk(path: Path, outbox: Outbox) -> None:
    """fault_76: write-ahead log, and a sync with each commit (2 is FULL)."""
    connection = outbox._connection
    assert (
        connection.execute("PRAGMA journal_mode").fetchone()[0],
        connection.execute("PRAGMA synchronous").fetchone()[0],
    ) == ("wal", 2)


def test_other_files_are_refused(path: Path) -> None:
    """fault_76: with one clear error, and without changing them."""
    path.parent.mkdir()
    path.write_bytes(b"something else" * 400)
    with pytest.raises(SettingsError):
        Outbox(path)
    assert path.read_bytes() == b"something else" * 400


def test_another_database_is_refused(path: Path) -> None:
    """fault_76: a journal is not an outbox."""
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE attempts (x)")
    connection.close()
    with pytest.raises(SettingsError):
        Outbox(path)


def test_a_log_without_its_file_is_refused(path: Path) -> None:
    """fault_76: signed transactions may only be in the log; it is not replaced."""
    path.parent.mkdir()
    path.with_name(path.name + "-wal").write_bytes(b"signed")
    with pytest.raises(SettingsError, match=r"outbox.*-wal"):
        Outbox(path)
    assert not path.exists()


def test_a_newer_version_is_refused(path: Path, outbox: Outbox) -> None:
    """fault_80: a file of a newer VeriFrame is not changed."""
    outbox._connection.execute("PRAGMA user_version = 99")
    outbox.close()
    with pytest.raises(SettingsError, match="99"):
        Outbox(path)


async def test_locked_by_another_is_unavailable(path: Path, outbox: Outbox) -> None:
    """fault_76: nothing is signed if it cannot be stored."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    outbox._connection.execute("PRAGMA busy_timeout = 10")
    with pytest.raises(HostUnavailable, match="outbox"):
        await outbox.add(ENTRY)
    other.execute("ROLLBACK")
    other.close()
    await outbox.add(ENTRY)
    assert await outbox.open(1, 2**251) == [ENTRY]
