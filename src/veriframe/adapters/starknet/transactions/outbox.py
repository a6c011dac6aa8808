"""What an account has signed, in one SQLite file: nothing is sent that is not on the disk first.

After a crash the very same bytes are sent again: a nonce and its transaction are decided once. Where a
transaction must be dearer, the new one takes the same nonce and remembers the first (`origin`): only one of
them can ever be in the chain. Write-ahead log with `synchronous = FULL`.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import structlog

from veriframe.disk import try_lock
from veriframe.errors import HostUnavailable
from veriframe.sqlite_file import Kind, open_file, transaction

log = structlog.get_logger()

TELL_SECONDS = 5.0
"""Waited for another process without a word."""

_LOOK_SECONDS = 0.05
_TABLES = (
    # Felts are larger than SQLite's integers: they are kept as hexadecimal text.
    """CREATE TABLE outbox (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        chain_id TEXT NOT NULL,
        account TEXT NOT NULL,
        nonce INTEGER NOT NULL,
        hash TEXT NOT NULL,
        origin TEXT NOT NULL,
        label TEXT NOT NULL,
        state TEXT NOT NULL,
        payload TEXT NOT NULL,
        signed_at REAL NOT NULL,
        sent_at REAL NOT NULL DEFAULT 0,
        told INTEGER NOT NULL DEFAULT 0,
        UNIQUE (chain_id, account, hash)
    )""",
    """CREATE UNIQUE INDEX one_open_per_nonce ON outbox (chain_id, account, nonce)
        WHERE state IN ('signed', 'sent')""",
)
KIND = Kind(
    name="outbox",
    application_id=0x56464F42,  # “VFOB”
    migrations=(_TABLES,),
    busy_seconds=2.0,
    is_examined=True,
    when_damaged=(
        "Put a copy in its place; without one, move it away after looking whether the account's last"
        " transactions are in the chain."
    ),
    when_gone=(
        "Put the outbox back, or move the log away too after looking whether the account's last transactions"
        " are in the chain."
    ),
)

_COLUMNS = "chain_id, account, nonce, hash, origin, label, state, payload, signed_at, sent_at, told"


class State(StrEnum):
    """What is known of a transaction."""

    SIGNED = "signed"
    """On the disk, and never sent yet."""
    SENT = "sent"
    """Sent at least once; its outcome is open."""
    DONE = "done"
    """In an accepted block."""
    FAILED = "failed"
    """In an accepted block, and reverted."""
    REFUSED = "refused"
    """Never in a block, and refused by the nodes for good."""
    REPLACED = "replaced"
    """Its nonce went to another transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One signed transaction. `payload`: the JSON as sent. `told`: the caller has heard how it ended.

    `sent_at`: when a node may last have taken it (Unix seconds); 0 where none can have.
    """

    chain_id: int
    account: int
    nonce: int
    hash: int
    origin: int
    label: str
    state: State
    payload: str
    signed_at: float
    sent_at: float = 0.0
    told: bool = False


class Outbox:
    """An outbox at `path`, made where nothing is there.

    Raises `SettingsError` where the file is damaged or foreign, `HostUnavailable` where it cannot be used
    now. Methods block for as long as the disk takes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._translated():
            self._connection = open_file(path, KIND)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Of all processes with this outbox, one at a time sends. Waits; the dead have no turn."""
        with self._translated():
            descriptor = os.open(
                self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
        try:
            started, is_told = time.monotonic(), False
            while not try_lock(descriptor):
                if not is_told and time.monotonic() - started > TELL_SECONDS:
                    is_told = True
                    log.info("account_in_use", outbox=self._path.name)
                await asyncio.sleep(_LOOK_SECONDS)
            yield
        finally:
            os.close(descriptor)

    def add(self, entry: Entry) -> None:
        """Keep a signed transaction, durable on return.

        Raises `RuntimeError` where another one is open on its nonce: two senders share an account.
        """
        with self._transaction():
            self._insert(entry)

    def supersede(self, older: Entry, newer: Entry) -> None:
        """Put a dearer transaction on the same nonce in the place of an open one, in one step."""
        with self._transaction():
            self._mark(older, State.REPLACED)
            self._insert(newer)

    def exchange(self, entry: Entry, sibling: Entry) -> None:
        """An older transaction on the same nonce was taken after all: it is the open one now."""
        with self._transaction():
            self._mark(entry, State.REPLACED)
            self._mark(sibling, State.SENT)

    def reopen(self, entry: Entry, *, told: bool) -> None:
        """What was in a block may be undone: its outcome is open again."""
        with self._transaction():
            self._mark(entry, State.SENT)
            update = "UPDATE outbox SET told = ? WHERE chain_id = ? AND account = ? AND hash = ?"
            self._connection.execute(update, (int(told), *_key(entry)))

    def note_sending(self, entry: Entry, sent_at: float) -> Entry:
        """It may be out since then, whatever is heard. Returns the entry as it is now, durable."""
        with self._transaction():
            update = (
                "UPDATE outbox SET state = ?, sent_at = ? WHERE chain_id = ? AND account = ? AND hash = ?"
            )
            self._connection.execute(update, (State.SENT.value, sent_at, *_key(entry)))
        return replace(entry, state=State.SENT, sent_at=sent_at)

    def mark(self, entry: Entry, state: State) -> None:
        """Note what is now known of a transaction, durable on return."""
        with self._transaction():
            self._mark(entry, state)

    def tell(self, entry: Entry) -> None:
        """Note that the caller has heard how it ended."""
        with self._transaction():
            self._connection.execute(
                "UPDATE outbox SET told = 1 WHERE chain_id = ? AND account = ? AND hash = ?", _key(entry)
            )

    def open(self, chain_id: int, account: int) -> Sequence[Entry]:
        """What has no known outcome yet, by nonce."""
        return self._select(chain_id, account, "state IN ('signed', 'sent') ORDER BY nonce")

    def ended_from(self, chain_id: int, account: int, nonce: int, since: float) -> Sequence[Entry]:
        """What was in an accepted block at this nonce or a higher one, and was signed after `since`."""
        where = "state IN ('done', 'failed') AND nonce >= ? AND signed_at >= ? ORDER BY nonce"
        return self._select(chain_id, account, where, nonce, since)

    def untold(self, chain_id: int, account: int) -> Sequence[Entry]:
        """What ended in an accepted block without the caller having heard of it, by nonce."""
        return self._select(chain_id, account, "state IN ('done', 'failed') AND told = 0 ORDER BY nonce")

    def siblings(self, entry: Entry) -> Sequence[Entry]:
        """All transactions for the same purpose on the same nonce, newest first; it is among them."""
        where = "origin = ? AND nonce = ? ORDER BY number DESC"
        return self._select(entry.chain_id, entry.account, where, hex(entry.origin), entry.nonce)

    def _insert(self, entry: Entry) -> None:
        values = (
            hex(entry.chain_id),
            hex(entry.account),
            entry.nonce,
            hex(entry.hash),
            hex(entry.origin),
            entry.label,
            entry.state.value,
            entry.payload,
            entry.signed_at,
            entry.sent_at,
            int(entry.told),
        )
        # The same digest again is the same transaction: after a refusal, it may be tried once more.
        insert = f"INSERT OR REPLACE INTO outbox ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
        taken = "SELECT count(*) FROM outbox WHERE chain_id = ? AND account = ? AND nonce = ? AND state IN"
        row = self._connection.execute(f"{taken} ('signed', 'sent')", values[:3]).fetchone()
        if row[0]:
            raise RuntimeError(f"Nonce {entry.nonce} has an open transaction in {self._path} already.")
        self._connection.execute(insert, values)

    def _mark(self, entry: Entry, state: State) -> None:
        update = "UPDATE outbox SET state = ? WHERE chain_id = ? AND account = ? AND hash = ?"
        self._connection.execute(update, (state.value, *_key(entry)))

    def _select(self, chain_id: int, account: int, where: str, *values: object) -> Sequence[Entry]:
        select = f"SELECT {_COLUMNS} FROM outbox WHERE chain_id = ? AND account = ? AND {where}"  # noqa: S608
        with self._translated():
            rows = self._connection.execute(select, (hex(chain_id), hex(account), *values)).fetchall()
            return [_entry(row) for row in rows]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._translated(), transaction(self._connection):
            yield

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, ValueError) as error:
            raise HostUnavailable(
                f"The outbox {self._path} cannot be used now: {error}. See that its disk has room, that its"
                " user may write it, and that no other program holds it."
            ) from error


def _key(entry: Entry) -> tuple[str, str, str]:
    return hex(entry.chain_id), hex(entry.account), hex(entry.hash)


def _entry(row: Sequence[object]) -> Entry:
    chain_id, account, nonce, digest, origin, label, state, payload, signed_at, sent_at, told = map(str, row)
    return Entry(
        chain_id=int(chain_id, 16),
        account=int(account, 16),
        nonce=int(nonce),
        hash=int(digest, 16),
        origin=int(origin, 16),
        label=label,
        state=State(state),
        payload=payload,
        signed_at=float(signed_at),
        sent_at=float(sent_at),
        told=told == "1",
    )
