"""The registry's file: its tables, and the translation of its errors."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from veriframe.causes import cause_of
from veriframe.errors import RegistryUnavailable
from veriframe.sqlite_file import Kind

# Addresses and amounts exceed SQLite's integers (2⁶³), so they are stored as decimal text.
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
    # Both follow from the postings and are stored for quick reading; the audit compares them.
    "CREATE TABLE balances (kind TEXT, owner TEXT, amount_fri TEXT, PRIMARY KEY (kind, owner)) WITHOUT ROWID",
    "CREATE TABLE totals (kind TEXT PRIMARY KEY, amount_fri TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE events (
        number INTEGER PRIMARY KEY, block INTEGER NOT NULL REFERENCES blocks, kind TEXT NOT NULL,
        subject INTEGER NOT NULL, party TEXT NOT NULL, amount_fri TEXT NOT NULL, note TEXT NOT NULL
    )""",
)
# Identifies the file among registries: accounts of the same name have the same address in all of them.
_IDENTITY = (
    "CREATE TABLE identity (id TEXT NOT NULL)",
    "INSERT INTO identity VALUES (lower(hex(randomblob(8))))",
)

KIND = Kind(
    name="registry",
    application_id=0x56465247,  # “VFRG”
    migrations=(_TABLES, _IDENTITY),
    # A move by another process takes milliseconds, but there may be many.
    busy_seconds=10.0,
    # Every command opens the file, and it grows. Damage is found on access, and by the audit.
    is_examined=False,
    when_damaged="Put a copy in its place, or name another home folder.",
    when_gone="Put the registry back, or move the log away too and start afresh.",
)


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """A read transaction: all reads in it see the same state."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.rollback()


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Translates SQLite's and the system's errors to ours: damage, or a failure that may be temporary."""
    try:
        yield
    except (sqlite3.OperationalError, sqlite3.ProgrammingError, OSError) as error:
        raise RegistryUnavailable(
            f"The registry {path} cannot be used now: {cause_of(error)}. Make room on its disk, make sure"
            " that its user may read and write it, and close other programs that use it."
        ) from error
    except (sqlite3.Error, ValueError) as error:
        raise KIND.damaged(path, error) from error
