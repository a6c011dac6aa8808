"""The worker's journal in one SQLite file: what is said to be done survives any end of the process.

Write-ahead log with `synchronous = FULL`: a commit is on the disk before `move` returns. The file is made
aside and then linked under its name in one step, so that a journal that is there was whole once. One that
is damaged, or half gone, is never begun anew in silence: claims of which it tells may still stand.
"""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from veriframe.errors import Code, HostUnavailable, SettingsError
from veriframe.model.attempt import Attempt, Stage
from veriframe.ports import Journal

APPLICATION_ID = 0x56464A4C
"""“VFJL” in the file's header: tells a journal from other SQLite files."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # Numbers of the registry may be larger than SQLite's integers (2⁶³): they are kept as text.
        """CREATE TABLE attempts (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            job_id TEXT NOT NULL UNIQUE,
            asset_cid TEXT NOT NULL,
            reward_fri TEXT NOT NULL,
            stage TEXT NOT NULL,
            result_cid TEXT NOT NULL,
            code TEXT,
            detail TEXT NOT NULL,
            reached TEXT NOT NULL
        )""",
        "CREATE TABLE poison (asset_cid TEXT, code TEXT, failures INTEGER, PRIMARY KEY (asset_cid, code))",
    ),
)
"""What leads from each version of the tables (the file's `user_version`) to the next. Only ever added to."""

_BUSY_SECONDS = 2.0
_COLUMNS = "job_id, asset_cid, reward_fri, stage, result_cid, code, detail, reached"
_ENDS = tuple(stage.value for stage in Stage if stage.is_end)


class SqliteJournal(Journal):
    """A journal at `path`; made, with its folder, where nothing is there.

    Raises `SettingsError` where the file is damaged, foreign or of a newer version, `HostUnavailable` where
    it cannot be read or written now. Methods block for as long as the disk takes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._translated():
            try:
                if not path.exists():
                    _create(path)
                path.chmod(0o600)
                self._connection = _open(path)
            except (sqlite3.OperationalError, OSError):
                raise
            except (sqlite3.DatabaseError, ValueError) as error:
                raise _damaged(path, str(error)) from error

    def close(self) -> None:
        """Let go of the file. Afterwards every method raises `HostUnavailable`."""
        with self._translated():
            self._connection.close()

    def add(self, attempt: Attempt) -> bool:
        """Note a new attempt. False where one on this job is already there."""
        insert = f"INSERT INTO attempts ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
        return self._execute(f"{insert} ON CONFLICT DO NOTHING", *_row(attempt)).rowcount == 1

    def get(self, job_id: int) -> Attempt | None:
        """The attempt on a job."""
        return next(iter(self._select("WHERE job_id = ?", str(job_id))), None)

    def move(self, before: Attempt, after: Attempt) -> None:
        """Replace `before` by `after`, durable on return. See the port for what it raises."""
        if before.job_id != after.job_id:
            raise ValueError(f"a move from job {before.job_id} to job {after.job_id}")
        row = _row(after)
        update = (
            "UPDATE attempts SET asset_cid = ?, reward_fri = ?, stage = ?, result_cid = ?, code = ?,"
            " detail = ?, reached = ? WHERE job_id = ? AND stage = ?"
        )
        if self._execute(update, *row[1:], row[0], before.stage.value).rowcount != 1:
            raise RuntimeError(
                f"The attempt on job {before.job_id} is not at {before.stage} in {self._path}: another"
                " process writes this journal."
            )

    def unfinished(self) -> Sequence[Attempt]:
        """The attempts whose stage is not an end, oldest first."""
        marks = ", ".join("?" * len(_ENDS))
        return self._select(f"WHERE stage NOT IN ({marks})", *_ENDS)

    def attempts(self) -> Sequence[Attempt]:
        """All attempts, oldest first."""
        return self._select("")

    def remember_poison(self, asset_cid: str, code: Code) -> None:
        """Count one failure of an asset. CIDs are taken as they come: give them in canonical spelling."""
        self._execute(
            "INSERT INTO poison VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET failures = failures + 1",
            asset_cid,
            code.value,
        )

    def poison(self, asset_cid: str) -> int:
        """How often an asset failed here, whatever the code."""
        select = "SELECT coalesce(sum(failures), 0) FROM poison WHERE asset_cid = ?"
        return int(self._execute(select, asset_cid).fetchone()[0])

    def _select(self, where: str, *values: str) -> Sequence[Attempt]:
        select = f"SELECT {_COLUMNS} FROM attempts {where} ORDER BY number"  # noqa: S608 - our own words
        with self._translated():
            return [_attempt(row) for row in self._connection.execute(select, values)]

    def _execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        # Each statement is a transaction of its own.
        with self._translated():
            return self._connection.execute(statement, values)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, ValueError) as error:
            raise HostUnavailable(
                f"The journal {self._path} cannot be used now: {error}. See that its disk has room, that its"
                " user may write it, and that no other program holds it."
            ) from error


def _damaged(path: Path, finding: str) -> SettingsError:
    return SettingsError(
        f"The journal {path} is damaged ({finding}). Put a copy in its place; without one, move it away, and"
        " see to it by hand that no claim of this account is left unserved."
    )


def _connect(path: Path) -> sqlite3.Connection:
    # `mode=rw`: a file that vanished between two looks must not come back empty.
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )


def _open(path: Path) -> sqlite3.Connection:
    """A connection to a journal that is there, checked and of the newest version."""
    connection = _connect(path)
    try:
        _check(path, connection)
        if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
            raise SettingsError(
                f"The disk of {path} cannot keep a write-ahead log. Put the home folder on a local disk."
            )
        connection.execute("PRAGMA synchronous = FULL")
        _migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(path: Path, connection: sqlite3.Connection) -> None:
    """Raise `SettingsError` where the file is no journal, damaged, or of a newer version."""
    if path.stat().st_size == 0:
        raise _damaged(path, "it is empty")
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise SettingsError(f"{path} is not a journal of VeriFrame. Name another file, or move it away.")
    if (version := _version(connection)) > len(MIGRATIONS):
        raise SettingsError(
            f"The journal {path} is of version {version}, and this VeriFrame knows {len(MIGRATIONS)}. Start"
            " the newer VeriFrame that wrote it, or update this one."
        )
    finding = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if finding != "ok":
        raise _damaged(path, " ".join(finding.split()))


def _create(path: Path) -> None:
    """Make an empty journal aside and link it under its name; nothing happens where another was faster."""
    log = path.with_name(path.name + "-wal")
    if log.exists():
        raise SettingsError(
            f"The journal {path} is gone, but its log {log.name} is there. Put the journal back, or move the"
            " log away too if no claim of this account is left unserved."
        )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
        new = Path(folder) / path.name
        new.touch(mode=0o600)
        with closing(_connect(new)) as connection:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            _migrate(connection)
            connection.execute("PRAGMA journal_mode = WAL")
        try:
            path.hardlink_to(new)
        except FileExistsError:
            return
    _sync_folder(path.parent)


def _migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables to the newest version, all of it or nothing."""
    if _version(connection) == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Asked again: another process may have been faster.
        for statements in MIGRATIONS[_version(connection) :]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _row(attempt: Attempt) -> tuple[str | None, ...]:
    return (
        str(attempt.job_id),
        attempt.asset_cid,
        str(attempt.reward_fri),
        attempt.stage.value,
        attempt.result_cid,
        attempt.code.value if attempt.code else None,
        attempt.detail,
        json.dumps({stage.value: at for stage, at in attempt.reached.items()}),
    )


def _attempt(row: Sequence[Any]) -> Attempt:
    job_id, asset_cid, reward_fri, stage, result_cid, code, detail, reached = row
    try:
        return Attempt(
            job_id=int(job_id),
            asset_cid=asset_cid,
            reward_fri=int(reward_fri),
            stage=Stage(stage),
            result_cid=result_cid,
            code=Code(code) if code else None,
            detail=detail,
            reached={Stage(reached_stage): float(at) for reached_stage, at in json.loads(reached).items()},
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"its row on job {job_id} cannot be read, {error}") from error
