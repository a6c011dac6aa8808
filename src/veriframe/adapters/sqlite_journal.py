"""The worker's journal in one SQLite file: what is said to be done survives any end of the process.

Write-ahead log with `synchronous = FULL`: a commit is on the disk before `move` returns. The file is made
aside and then linked under its name in one step, so that a journal that is there was whole once. One that
is damaged, or half gone, is never begun anew in silence: claims of which it tells may still stand.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from veriframe.errors import Code, HostUnavailable
from veriframe.model.attempt import Attempt, Stage
from veriframe.ports import Journal
from veriframe.sqlite_file import Kind, open_file

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

KIND = Kind(
    name="journal",
    application_id=0x56464A4C,  # “VFJL”
    migrations=MIGRATIONS,
    busy_seconds=2.0,
    is_examined=True,
    when_damaged=(
        "Put a copy in its place; without one, move it away, and see to it by hand that no claim of this"
        " account is left unserved."
    ),
    when_gone=(
        "Put the journal back, or move the log away too if no claim of this account is left unserved."
    ),
)

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
            self._connection = open_file(path, KIND)

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
