"""An account's signed transactions, by nonce, in one SQLite file: each is on the disk before it is sent.

After a crash the same bytes are sent again: a nonce and its transaction are decided once. If a transaction
needs a higher fee, the new one uses the same nonce and refers to the first (`origin`): only one of them can
be executed. Write-ahead log with `synchronous = FULL`.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import structlog

from veriframe.disk import try_lock
from veriframe.sqlite_file import Kind, SqliteExecutor, open_file, transaction, translated

log = structlog.get_logger()

LOG_AFTER_SECONDS = 5.0
"""How long to wait for another process before that is logged."""

_POLL_SECONDS = 0.05
_TABLES = (
    # Felts exceed SQLite's integers, so they are stored as hexadecimal text.
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
        "Put a copy in its place. Without one, check whether the account's last transactions are on the"
        " chain, then move the file away."
    ),
    when_gone=(
        "Put the outbox back. Otherwise check whether the account's last transactions are on the chain, then"
        " move the log away too."
    ),
)

_COLUMNS = "chain_id, account, nonce, hash, origin, label, state, payload, signed_at, sent_at, told"


class State(StrEnum):
    """The state of a transaction."""

    SIGNED = "signed"
    """Stored, but never sent."""
    SENT = "sent"
    """Sent at least once; its outcome is unknown."""
    DONE = "done"
    """In an accepted block."""
    FAILED = "failed"
    """In an accepted block, but reverted."""
    REFUSED = "refused"
    """In no block, and refused by the nodes for good."""
    REPLACED = "replaced"
    """Another transaction used its nonce."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One signed transaction. `payload`: the JSON as sent. `reported`: the caller got its outcome.

    `sent_at`: when a node may last have accepted it (Unix seconds); 0 if none can have.
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
    reported: bool = False


class Outbox:
    """An outbox at `path`. Creates the file if it does not exist.

    Raises `SettingsError` if the file is damaged or foreign, `HostUnavailable` if it cannot be used now.
    Blocks only while it is opened and closed.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._thread = path, SqliteExecutor()
        with translated(self._path, KIND):
            self._connection = open_file(path, KIND)

    def close(self) -> None:
        """Closes the file."""
        self._thread.close(self._connection.close)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits for the lock that lets one process at a time send. A killed process releases it."""
        with translated(self._path, KIND):
            descriptor = os.open(
                self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
        try:
            started, is_logged = time.monotonic(), False
            while not try_lock(descriptor):
                if not is_logged and time.monotonic() - started > LOG_AFTER_SECONDS:
                    is_logged = True
                    log.info("account_in_use", outbox=self._path.name)
                await asyncio.sleep(_POLL_SECONDS)
            yield
        finally:
            os.close(descriptor)

    async def add(self, entry: Entry) -> None:
        """Stores a signed transaction, durable on return.

        Raises `RuntimeError` if another one is open on its nonce: two senders share an account.
        """
        await self._change(lambda: self._insert(entry))

    async def supersede(self, older: Entry, newer: Entry) -> None:
        """Replaces an open transaction by one with a higher fee on the same nonce, in one step."""
        await self._change(lambda: self._mark(older, State.REPLACED), lambda: self._insert(newer))

    async def exchange(self, entry: Entry, sibling: Entry) -> None:
        """Makes an older transaction on the same nonce the open one, since a node accepted it after all."""
        await self._change(lambda: self._mark(entry, State.REPLACED), lambda: self._mark(sibling, State.SENT))

    async def reopen(self, entry: Entry, *, reported: bool) -> None:
        """Marks the outcome as unknown again, since a reorganisation may have undone it."""
        await self._change(lambda: self._set(entry, "state = ?, told = ?", State.SENT.value, int(reported)))

    async def note_sending(self, entry: Entry, sent_at: float) -> Entry:
        """Records that a node may have it since `sent_at`. Returns the changed entry; durable on return."""
        await self._change(lambda: self._set(entry, "state = ?, sent_at = ?", State.SENT.value, sent_at))
        return replace(entry, state=State.SENT, sent_at=sent_at)

    async def mark(self, entry: Entry, state: State) -> None:
        """Stores a transaction's new state, durable on return."""
        await self._change(lambda: self._mark(entry, state))

    async def mark_reported(self, entry: Entry, *, reported: bool = True) -> None:
        """Records whether the outcome was reported to the caller."""
        await self._change(lambda: self._set(entry, "told = ?", int(reported)))

    async def open(self, chain_id: int, account: int) -> Sequence[Entry]:
        """The transactions without a known outcome, by nonce."""
        return await self._select(chain_id, account, "state IN ('signed', 'sent') ORDER BY nonce")

    async def ended_from(self, chain_id: int, account: int, nonce: int, since: float) -> Sequence[Entry]:
        """The transactions in accepted blocks with at least this nonce that were signed after `since`."""
        where = "state IN ('done', 'failed') AND nonce >= ? AND signed_at >= ? ORDER BY nonce"
        return await self._select(chain_id, account, where, nonce, since)

    async def unreported(self, chain_id: int, account: int) -> Sequence[Entry]:
        """The transactions in accepted blocks that were not reported to the caller, by nonce."""
        where = "state IN ('done', 'failed') AND told = 0 ORDER BY nonce"
        return await self._select(chain_id, account, where)

    async def siblings(self, entry: Entry) -> Sequence[Entry]:
        """All transactions for the same purpose on the same nonce, newest first, including this one."""
        where = "origin = ? AND nonce = ? ORDER BY number DESC"
        return await self._select(entry.chain_id, entry.account, where, hex(entry.origin), entry.nonce)

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
            int(entry.reported),
        )
        # The same hash is the same transaction: after a refusal, it may be tried again.
        insert = f"INSERT OR REPLACE INTO outbox ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
        taken = "SELECT count(*) FROM outbox WHERE chain_id = ? AND account = ? AND nonce = ? AND state IN"
        row = self._connection.execute(f"{taken} ('signed', 'sent')", values[:3]).fetchone()
        if row[0]:
            raise RuntimeError(f"Nonce {entry.nonce} already has an open transaction in {self._path}.")
        self._connection.execute(insert, values)

    def _mark(self, entry: Entry, state: State) -> None:
        self._set(entry, "state = ?", state.value)

    def _set(self, entry: Entry, columns: str, *values: object) -> None:
        update = f"UPDATE outbox SET {columns} WHERE chain_id = ? AND account = ? AND hash = ?"  # noqa: S608
        key = hex(entry.chain_id), hex(entry.account), hex(entry.hash)
        self._connection.execute(update, (*values, *key))

    async def _select(self, chain_id: int, account: int, where: str, *values: object) -> Sequence[Entry]:
        select = f"SELECT {_COLUMNS} FROM outbox WHERE chain_id = ? AND account = ? AND {where}"  # noqa: S608

        def read() -> Sequence[Entry]:
            with translated(self._path, KIND):
                rows = self._connection.execute(select, (hex(chain_id), hex(account), *values)).fetchall()
                return [_entry(row) for row in rows]

        return await self._thread.run(read)

    async def _change(self, *steps: Callable[[], None]) -> None:
        """Makes changes in one transaction, durable on return."""

        def change() -> None:
            with translated(self._path, KIND), transaction(self._connection):
                for step in steps:
                    step()

        await self._thread.run(change)


def _entry(row: Sequence[object]) -> Entry:
    chain_id, account, nonce, digest, origin, label, state, payload, signed_at, sent_at, reported = map(
        str, row
    )
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
        reported=reported == "1",
    )
