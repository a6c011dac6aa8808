"""The worker's journal in one SQLite file. What it has recorded survives a crash or a power cut.

Write-ahead log with `synchronous = FULL`: a commit is on the disk before `move` returns. The file is created
under a temporary name and linked under its own in one step, so it is never half written. A journal that is
damaged or partly missing is never replaced silently, since its claims may still stand.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from veriframe.errors import Code
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.attempt.failure import Failure
from veriframe.model.registry.job import Address
from veriframe.ports.journal import Journal
from veriframe.sqlite_file import Kind, open_file, transaction, translated

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # The registry's numbers may exceed SQLite's integers (2⁶³), so they are stored as text.
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
    (
        # The creators of earlier jobs are not known: 0.
        *(
            f"ALTER TABLE attempts ADD COLUMN {name} TEXT NOT NULL DEFAULT '0'"
            for name in ("creator", "order_id", "bond_fri", "fees_fri", "lost_fri")
        ),
        *(
            f"ALTER TABLE attempts ADD COLUMN {name} INTEGER NOT NULL DEFAULT 0"
            for name in ("width", "height", "result_bytes")
        ),
        "CREATE TABLE registry (identity TEXT NOT NULL)",
        # Every poll reads the unfinished attempts, and they are few among all.
        "CREATE INDEX attempts_by_stage ON attempts (stage)",
        # Its counts named neither the limits nor the creator, so nothing can be concluded from them.
        "DROP TABLE poison",
        """CREATE TABLE failures (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            asset_cid TEXT NOT NULL,
            creator TEXT NOT NULL,
            code TEXT NOT NULL,
            detail TEXT NOT NULL,
            conditions TEXT NOT NULL,
            at REAL NOT NULL
        )""",
    ),
    (
        # The stage after rendering had another name.
        "UPDATE attempts SET stage = 'VALIDATED' WHERE stage = 'PROVED'",  # migration
        """UPDATE attempts SET reached = replace(reached, '"PROVED":', '"VALIDATED":')""",  # migration
    ),
)
"""The migrations from each version of the tables (the file's `user_version`) to the next. Only append."""

KIND = Kind(
    name="journal",
    application_id=0x56464A4C,  # “VFJL”
    migrations=MIGRATIONS,
    busy_seconds=2.0,
    is_examined=True,
    when_damaged=(
        "Put a copy in its place. Without one, move it away, and check by hand that this account has no"
        " unfinished claim."
    ),
    when_gone=("Put the journal back, or move the log away too if this account has no unfinished claim."),
)

MOST_FAILURES = 10_000
"""The most failures that are stored; the oldest are deleted first."""

_COLUMNS = (
    "job_id, asset_cid, reward_fri, stage, result_cid, code, detail, reached, creator, order_id, bond_fri,"
    " fees_fri, lost_fri, width, height, result_bytes"
)
_MARKS = ", ".join("?" * len(_COLUMNS.split(",")))
_CHANGES = ", ".join(f"{name.strip()} = ?" for name in _COLUMNS.split(",")[1:])
_UNFINISHED = tuple(stage.value for stage in Stage if not stage.is_end)


class SqliteJournal(Journal):
    """A journal at `path`. Creates the file and its folder if they do not exist.

    Raises `SettingsError` if the file is damaged, foreign or of a newer version, `HostUnavailable` if it
    cannot be read or written now. Methods block for as long as the disk takes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with translated(self._path, KIND):
            self._connection = open_file(path, KIND)

    def close(self) -> None:
        """Closes the file. Afterwards every method raises `HostUnavailable`."""
        with translated(self._path, KIND):
            self._connection.close()

    def add(self, attempt: Attempt) -> bool:
        """Adds a new attempt. Returns False if there already is one on this job."""
        insert = f"INSERT INTO attempts ({_COLUMNS}) VALUES ({_MARKS})"  # noqa: S608
        return self._execute(f"{insert} ON CONFLICT DO NOTHING", *_row(attempt)).rowcount == 1

    def get(self, job_id: int) -> Attempt | None:
        """Returns the attempt on a job, if any."""
        return next(iter(self._select("WHERE job_id = ?", str(job_id))), None)

    def move(self, before: Attempt, after: Attempt) -> None:
        """Replaces `before` by `after`, durable on return. See the port for what it raises."""
        if before.job_id != after.job_id:
            raise ValueError(f"a move from job {before.job_id} to job {after.job_id}")
        row = _row(after)
        update = f"UPDATE attempts SET {_CHANGES} WHERE job_id = ? AND stage = ?"  # noqa: S608
        if self._execute(update, *row[1:], row[0], before.stage.value).rowcount != 1:
            raise RuntimeError(
                f"The attempt on job {before.job_id} is not at {before.stage} in {self._path}: another"
                " process writes this journal."
            )

    def unfinished(self) -> Sequence[Attempt]:
        """Returns the attempts whose stage is not an end, oldest first."""
        marks = ", ".join("?" * len(_UNFINISHED))
        return self._select(f"WHERE stage IN ({marks})", *_UNFINISHED)

    def attempts(self) -> Sequence[Attempt]:
        """Returns all attempts, oldest first."""
        return self._select("")

    def belongs_to(self, identity: str) -> str:
        """Returns the registry that this journal belongs to. The first call stores `identity`."""
        insert = "INSERT INTO registry SELECT ? WHERE NOT EXISTS (SELECT 1 FROM registry)"
        self._execute(insert, identity)
        return str(self._execute("SELECT identity FROM registry").fetchone()[0])

    def note_failure(self, failure: Failure) -> None:
        """Records why a scene failed. Pass CIDs in canonical spelling; they are stored unchanged."""
        with translated(self._path, KIND), transaction(self._connection):
            self._connection.execute(
                "INSERT INTO failures (asset_cid, creator, code, detail, conditions, at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    failure.asset_cid,
                    str(failure.creator),
                    failure.code.value,
                    failure.detail,
                    failure.conditions,
                    failure.at,
                ),
            )
            self._connection.execute(
                "DELETE FROM failures WHERE number <= (SELECT max(number) FROM failures) - ?",
                (MOST_FAILURES,),
            )

    def failures(self) -> Sequence[Failure]:
        """Returns the recorded failures, oldest first."""
        select = "SELECT asset_cid, creator, code, detail, conditions, at FROM failures ORDER BY number"
        with translated(self._path, KIND):
            return [_failure(row) for row in self._connection.execute(select)]

    def forget_failures(self, asset_cid: str | None = None) -> int:
        """Deletes the failures of one scene, or of all. Returns how many."""
        if asset_cid is None:
            return self._execute("DELETE FROM failures").rowcount
        return self._execute("DELETE FROM failures WHERE asset_cid = ?", asset_cid).rowcount

    def _select(self, where: str, *values: str) -> Sequence[Attempt]:
        select = f"SELECT {_COLUMNS} FROM attempts {where} ORDER BY number"  # noqa: S608 - our own words
        with translated(self._path, KIND):
            return [_attempt(row) for row in self._connection.execute(select, values)]

    def _execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        # Each statement is its own transaction.
        with translated(self._path, KIND):
            return self._connection.execute(statement, values)


def _row(attempt: Attempt) -> tuple[str | int | None, ...]:
    return (
        str(attempt.job_id),
        attempt.asset_cid,
        str(attempt.reward_fri),
        attempt.stage.value,
        attempt.result_cid,
        attempt.code.value if attempt.code else None,
        attempt.detail,
        json.dumps({stage.value: at for stage, at in attempt.reached.items()}),
        str(attempt.creator),
        str(attempt.order_id),
        str(attempt.bond_fri),
        str(attempt.fees_fri),
        str(attempt.lost_fri),
        attempt.width,
        attempt.height,
        attempt.result_bytes,
    )


def _attempt(row: Sequence[Any]) -> Attempt:
    job_id, asset_cid, reward_fri, stage, result_cid, code, detail, reached, *facts = row
    creator, order_id, bond_fri, fees_fri, lost_fri, width, height, result_bytes = facts
    try:
        return Attempt(
            job_id=int(job_id),
            asset_cid=asset_cid,
            reward_fri=int(reward_fri),
            creator=Address(int(creator)),
            order_id=int(order_id),
            bond_fri=int(bond_fri),
            width=width,
            height=height,
            result_bytes=result_bytes,
            fees_fri=int(fees_fri),
            lost_fri=int(lost_fri),
            stage=Stage(stage),
            result_cid=result_cid,
            code=Code(code) if code else None,
            detail=detail,
            reached={Stage(reached_stage): float(at) for reached_stage, at in json.loads(reached).items()},
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"its row on job {job_id} cannot be read, {error}") from error


def _failure(row: Sequence[Any]) -> Failure:
    asset_cid, creator, code, detail, conditions, at = row
    return Failure(
        asset_cid=asset_cid,
        creator=Address(int(creator)),
        code=Code(code),
        detail=detail,
        conditions=conditions,
        at=at,
    )
