"""The registry's file: its tables, how it is made, opened and told from other files.

The write-ahead log with `synchronous = FULL` has every move on the disk before its method returns. The file
is made aside and linked under its name in one step, so that a registry that is there was whole once.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from veriframe.errors import RegistryUnavailable, SettingsError

APPLICATION_ID = 0x56465247
"""“VFRG” in the file's header: tells a registry from other SQLite files."""
VERSION = 1
"""Of the tables: the file's `user_version`."""
BUSY_SECONDS = 10.0
"""How long a move waits for those of other processes, each of which takes milliseconds."""

# Addresses and amounts are larger than SQLite's integers (2⁶³): they are kept as text, in decimal.
_TABLES = (
    "CREATE TABLE clock (offset_seconds REAL NOT NULL)",
    "INSERT INTO clock VALUES (0)",
    "CREATE TABLE blocks (number INTEGER PRIMARY KEY, digest BLOB NOT NULL, time INTEGER NOT NULL)",
    "CREATE TABLE accounts (address TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE orders (
        id INTEGER PRIMARY KEY, creator TEXT NOT NULL, asset_cid TEXT NOT NULL,
        first_job INTEGER NOT NULL, jobs INTEGER NOT NULL, created_at INTEGER NOT NULL,
        reward_fri TEXT NOT NULL, bond_fri TEXT NOT NULL, deadline INTEGER NOT NULL,
        lease_seconds INTEGER NOT NULL, review_seconds INTEGER NOT NULL, arbitration_seconds INTEGER NOT NULL,
        arbiter TEXT NOT NULL, worker TEXT NOT NULL
    )""",
    """CREATE TABLE jobs (
        id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL REFERENCES orders, part INTEGER NOT NULL,
        state TEXT NOT NULL, worker TEXT NOT NULL,
        claimed_at INTEGER NOT NULL, lease_end INTEGER NOT NULL, review_end INTEGER NOT NULL,
        arbitration_end INTEGER NOT NULL, submitted_block INTEGER NOT NULL, disputed_block INTEGER NOT NULL,
        result_cid TEXT NOT NULL
    )""",
    "CREATE TABLE bars (job_id INTEGER, address TEXT, PRIMARY KEY (job_id, address)) WITHOUT ROWID",
    """CREATE TABLE postings (
        number INTEGER PRIMARY KEY, block INTEGER NOT NULL REFERENCES blocks,
        source_kind TEXT NOT NULL, source_owner TEXT NOT NULL,
        target_kind TEXT NOT NULL, target_owner TEXT NOT NULL,
        amount_fri TEXT NOT NULL, reason TEXT NOT NULL
    )""",
    # Both follow from the postings, and are kept for quick reading: an audit compares them.
    "CREATE TABLE balances (kind TEXT, owner TEXT, amount_fri TEXT, PRIMARY KEY (kind, owner)) WITHOUT ROWID",
    "CREATE TABLE totals (kind TEXT PRIMARY KEY, amount_fri TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE events (
        number INTEGER PRIMARY KEY, block INTEGER NOT NULL REFERENCES blocks, kind TEXT NOT NULL,
        subject INTEGER NOT NULL, party TEXT NOT NULL, amount_fri TEXT NOT NULL, note TEXT NOT NULL
    )""",
)


def connect(path: Path) -> sqlite3.Connection:
    """Open the registry at `path`; made, with its folders, where nothing is there.

    Raises `SettingsError` where the file is foreign, damaged or newer. For any thread, one at once.
    """
    if not path.exists():
        _create(path)
    connection = _open(path)
    try:
        _check(connection, path)
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing, and no other process's move in between."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A failed COMMIT, as on a full disk, leaves the transaction open.
        if connection.in_transaction:
            connection.rollback()
        raise


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """Several reads that see the same moves."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.rollback()


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Foreign errors become ours. Damage is told from trouble that may pass."""
    try:
        yield
    except (sqlite3.OperationalError, sqlite3.ProgrammingError, OSError) as error:
        raise RegistryUnavailable(
            f"The registry {path} cannot be used now: {error}. Free its disk, let its user read and write it,"
            " and end other programs that hold it."
        ) from error
    except (sqlite3.Error, ValueError) as error:
        raise SettingsError(
            f"The registry {path} is damaged, or no registry at all ({error}). Put a copy in its place,"
            " or name another home folder."
        ) from error


def _open(path: Path) -> sqlite3.Connection:
    # `mode=rw`: a file that vanished between two looks must not come back empty.
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )


def _check(connection: sqlite3.Connection, path: Path) -> None:
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise SettingsError(
            f"{path} is not a registry of VeriFrame. Move it away, or name another home folder."
        )
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != VERSION:
        raise SettingsError(
            f"The registry {path} is of version {version}, and this VeriFrame knows {VERSION}. Start the"
            " VeriFrame that wrote it, or name another home folder."
        )
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        raise SettingsError(
            f"The registry {path} keeps no write-ahead log. Put the home folder on a local disk, with a"
            " registry made there."
        )


def _create(path: Path) -> None:
    """Make an empty registry aside and link it under its name; nothing happens where another was faster."""
    log = path.with_name(path.name + "-wal")
    # In this order: whoever is faster makes the log after the file.
    if log.exists() and not path.exists():
        raise SettingsError(
            f"The registry {path} is gone, but its log {log.name} is there. Put the registry back, or move"
            " the log away too and begin anew."
        )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
        new = Path(folder) / path.name
        new.touch(mode=0o600)
        with closing(_open(new)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            with transaction(connection):
                for statement in _TABLES:
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {VERSION}")
        try:
            path.hardlink_to(new)
        except FileExistsError:
            return
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
