"""SQLite files that survive any end of the process: creating, opening and recognising them.

With a write-ahead log and `synchronous = FULL`, every commit is on the disk before it returns. A new file is
made under another name and then linked in one step, so a file that exists was complete once. A file that is
damaged, or of which only the log is left, is never silently replaced by an empty one.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from veriframe.disk import sync_folder
from veriframe.errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a file contains, and the remedies if it is damaged or gone.

    `migrations` lead from each version of the tables (the file's `user_version`) to the next; only append to
    them. `is_examined`: whether each opening checks the whole file, which takes time.
    """

    name: str
    application_id: int
    migrations: Sequence[Sequence[str]]
    busy_seconds: float
    is_examined: bool
    when_damaged: str
    when_gone: str

    def damaged(self, path: Path, finding: object) -> SettingsError:
        """The error for a file that cannot be read as this kind."""
        words = " ".join(str(finding).split())
        return SettingsError(f"The {self.name} {path} is damaged ({words}). {self.when_damaged}")


def open_file(path: Path, kind: Kind) -> sqlite3.Connection:
    """Open the file at `path` and migrate it to the newest version. Creates it, with its folder, if needed.

    Any thread may use the connection, one at a time. Raises `SettingsError` if the file is damaged, of
    another kind or newer; `sqlite3.OperationalError` and `OSError` for errors that may pass.
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
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Run the block as one transaction; no other process writes meanwhile."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A failed COMMIT, as on a full disk, leaves the transaction open.
        if connection.in_transaction:
            connection.rollback()
        raise


def _connect(path: Path, kind: Kind) -> sqlite3.Connection:
    # `mode=rw`: a file that vanished since the last check must not be recreated empty.
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
            f"{path} is not {article} {kind.name} of VeriFrame. Move it away, or choose another path."
        )
    version, known = _version(connection), len(kind.migrations)
    if version > known:
        raise SettingsError(
            f"The {kind.name} {path} is of version {version}, and this VeriFrame knows {known}."
            " Use the newer VeriFrame that wrote it, or update this one."
        )
    if kind.is_examined:
        finding = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if finding != "ok":
            raise kind.damaged(path, finding)


def _prepare(connection: sqlite3.Connection, path: Path, kind: Kind) -> None:
    if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
        raise SettingsError(
            f"The disk of {path} cannot keep a write-ahead log. Put the home folder on a local disk."
        )
    connection.execute("PRAGMA synchronous = FULL")
    _migrate(connection, kind)


def _create(path: Path, kind: Kind) -> None:
    """Make an empty file under another name and link it. Does nothing if another process was faster."""
    log = path.with_name(path.name + "-wal")
    # In this order, because a faster process creates the log after the file.
    if log.exists() and not path.exists():
        raise SettingsError(
            f"The {kind.name} {path} is gone, but its log {log.name} is there. {kind.when_gone}"
        )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
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
    """Migrate the tables to the newest version in one transaction."""
    if _version(connection) == len(kind.migrations):
        return
    with transaction(connection):
        # Read the version again: another process may have been faster.
        for statements in kind.migrations[_version(connection) :]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(kind.migrations)}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
