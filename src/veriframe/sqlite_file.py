"""SQLite files that survive crashes and power cuts: created, opened, and checked to be ours.

The write-ahead log with `synchronous = FULL` puts every commit on the disk before it returns. A file is
created under a temporary name and linked under its own in one step, so it is never half written. A file that
is damaged, or of which only the log is left, is never replaced silently.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from veriframe.causes import cause_of, may_pass
from veriframe.disk import sync_folder
from veriframe.errors import HostUnavailable, SettingsError
from veriframe.threads import submit, wait_uninterrupted

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of file, and the remedies for its errors.

    `migrations` lead from each version of the tables (the file's `user_version`) to the next; only append.
    `is_examined`: whether each opening checks the whole file, which takes time.
    """

    name: str
    application_id: int
    migrations: Sequence[Sequence[str]]
    busy_seconds: float
    is_examined: bool
    when_damaged: str
    when_gone: str

    def damaged(self, path: Path, finding: str | Exception) -> SettingsError:
        """The error for a file that cannot be read as this kind: `finding`, or what reading it raised."""
        words = _found(finding) if isinstance(finding, Exception) else " ".join(finding.split())
        return SettingsError(f"The {self.name} {path} is damaged ({words}). {self.when_damaged}")


def _found(error: Exception) -> str:
    return cause_of(error) if isinstance(error, sqlite3.Error) else "a value in it cannot be read"


class SqliteExecutor:
    """The thread of one file: its work runs in turn, and waits for no other file, and for no copy."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="sqlite")
        self.is_closed = False

    async def run(self, work: Callable[[], T]) -> T:
        """Run blocking work. Returns only when it has ended, even if cancelled."""
        return await wait_uninterrupted(asyncio.wrap_future(submit(self._executor, work)))

    def close(self, work: Callable[[], object]) -> None:
        """Run the last work, such as closing the file, and end the thread. Blocks. May be called twice."""
        if not self.is_closed:
            self.is_closed = True
            last = submit(self._executor, work)
            self._executor.shutdown()
            last.result()


def open_file(path: Path, kind: Kind) -> sqlite3.Connection:
    """Opens the file at `path` and migrates it to the newest version. Creates it and its folder if missing.

    Any thread may use the connection, one at a time. Raises `SettingsError` if the file is damaged, foreign
    or newer; passes on `sqlite3.OperationalError` and `OSError`, whose cause may be temporary.
    """
    try:
        if not path.exists():
            _create(path, kind)
        # Before SQLite creates the log, which inherits the mode.
        path.chmod(0o600)
        connection = _connect(path, kind)
        try:
            _check(connection, path, kind)
            _prepare(connection, path, kind)
        except BaseException:
            connection.close()
            raise
    except (sqlite3.OperationalError, OSError):
        raise
    except (sqlite3.DatabaseError, ValueError) as error:
        raise kind.damaged(path, error) from error
    return connection


@contextmanager
def translated(path: Path, kind: Kind) -> Iterator[None]:
    """Translates errors of SQLite and of the system, which may be temporary, to `HostUnavailable`."""
    try:
        yield
    except (sqlite3.Error, OSError, ValueError) as error:
        raise HostUnavailable(
            f"The {kind.name} {path} cannot be used now: {cause_of(error)}. Check that its disk has space,"
            " that its user may write it, and that no other program uses it."
        ) from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """A write transaction: all of it or nothing, with no writes by other processes in between."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A failed COMMIT, for example on a full disk, leaves the transaction open.
        if connection.in_transaction:
            connection.rollback()
        raise


def _connect(path: Path, kind: Kind) -> sqlite3.Connection:
    # `mode=rw`: a file that was deleted in the meantime must not be created empty.
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=kind.busy_seconds,
        isolation_level=None,
        check_same_thread=False,
    )


def _check(connection: sqlite3.Connection, path: Path, kind: Kind) -> None:
    if path.stat().st_size == 0:
        raise kind.damaged(path, "it is empty")
    if connection.execute("PRAGMA application_id").fetchone()[0] != kind.application_id:
        article = "an" if kind.name[0] in "aeiou" else "a"
        raise SettingsError(
            f"{path} is not {article} {kind.name} of VeriFrame. Move it away, or name another place."
        )
    version, known = _version(connection), len(kind.migrations)
    if version > known:
        raise SettingsError(
            f"The {kind.name} {path} has version {version}, but this VeriFrame knows only {known}."
            " Start the newer VeriFrame that wrote it, or update this one."
        )
    if kind.is_examined:
        finding = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if finding != "ok":
            raise kind.damaged(path, finding)


def _prepare(connection: sqlite3.Connection, path: Path, kind: Kind) -> None:
    if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
        raise SettingsError(
            f"The disk of {path} does not support a write-ahead log. Put the home folder on a local disk."
        )
    connection.execute("PRAGMA synchronous = FULL")
    _migrate(connection, kind)


def _create(path: Path, kind: Kind) -> None:
    """Creates an empty file and links it under its name, unless another process was faster."""
    log = path.with_name(path.name + "-wal")
    # In this order: a faster process creates the log after the file.
    if log.exists() and not path.exists():
        raise SettingsError(
            f"The {kind.name} {path} is gone, but its log {log.name} exists. {kind.when_gone}"
        )
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent)
    except OSError as error:
        if may_pass(error):
            raise
        raise SettingsError(
            f"The folder {path.parent} cannot be written: {cause_of(error)}. Set home to a folder that this"
            " user can write."
        ) from error
    with beside as folder:
        new = Path(folder) / path.name
        new.touch(mode=0o600)
        with closing(_connect(new, kind)) as connection:
            connection.execute(f"PRAGMA application_id = {kind.application_id}")
            _prepare(connection, new, kind)
        try:
            path.hardlink_to(new)
        except FileExistsError:
            return
    sync_folder(path.parent)


def _migrate(connection: sqlite3.Connection, kind: Kind) -> None:
    """Migrates the tables to the newest version, all of it or nothing."""
    if _version(connection) == len(kind.migrations):
        return
    with transaction(connection):
        # Check again: another process may have been faster.
        for statements in kind.migrations[_version(connection) :]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(kind.migrations)}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
