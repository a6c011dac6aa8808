"""The worker's journal in one SQLite file. What it has recorded survives a crash or a power cut.

Write-ahead log with `synchronous = FULL`: a commit is on the disk before a method returns. The file is
created under a temporary name and linked under its own in one step, so it is never half written. A file that
is damaged or partly missing is never replaced silently, since its claims may still stand.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import structlog
from pydantic import TypeAdapter

from veriframe.adapters.sqlite_journal.schema import KIND, LIVE
from veriframe.errors import HostUnavailable
from veriframe.model.attempt.attempt import Attempt
from veriframe.model.attempt.failure import Failure
from veriframe.model.attempt.stakes import CreatorTotals, fold
from veriframe.model.registry.job import Address
from veriframe.model.rendering.frames import SpooledFrame
from veriframe.ports.journal import Journal
from veriframe.sqlite_file import SqliteExecutor, open_file, transaction, translated
from veriframe.threads import run_uninterrupted

log = structlog.get_logger()

T = TypeVar("T")

MOST_FAILURES = 10_000
"""The most failures that are stored; the oldest are deleted first."""

_ATTEMPT, _FRAME, _FAILURE = TypeAdapter(Attempt), TypeAdapter(SpooledFrame), TypeAdapter(Failure)
_FAILURE_COLUMNS = ("asset_cid", "creator", "code", "detail", "conditions", "at")
_NOT_IN_CONTENT = {"number", "job_id", "stage"}


class SqliteJournal(Journal):
    """A journal at `path`. Creates the file and its folder if they do not exist.

    Raises `SettingsError` if the file is damaged, foreign or of a newer version, `HostUnavailable` if it
    cannot be read or written now. Only the constructor blocks; all else runs in a thread of its own.

    A row that cannot be read is set aside in another table, with a warning. It does not stop the worker,
    whose other claims would lapse meanwhile; nor may it stay, since it would prevent a new attempt at its
    job. Its own claim, if it was live, is restored from the registry like that of a lost journal.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with translated(path, KIND):
            self._connection = open_file(path, KIND)
        # Invalid UTF-8 is a matter of one row, not of the whole journal.
        self._connection.text_factory = lambda data: data.decode(errors="replace")
        self._thread = SqliteExecutor()

    async def close(self) -> None:
        """Closes the file and ends the thread. Afterwards every other method raises `HostUnavailable`."""
        await run_uninterrupted(self._thread.close, self._connection.close)

    async def start(self, attempt: Attempt) -> Attempt:
        """Stores a new attempt. Returns it with its number."""
        insert = "INSERT INTO attempts (job_id, stage, content) VALUES (?, ?, ?)"
        added = await self._run(self._write_attempt, attempt, insert)
        return replace(attempt, number=added.lastrowid or 0)

    async def record(self, before: Attempt, after: Attempt) -> None:
        """Replaces `before` by `after`, durable on return. See the port for what it raises."""
        if (before.number, before.job_id) != (after.number, after.job_id):
            raise ValueError(f"from an attempt at job {before.job_id} to another at job {after.job_id}")
        update = "UPDATE attempts SET job_id = ?, stage = ?, content = ? WHERE number = ? AND stage = ?"
        changed = await self._run(self._write_attempt, after, update, before.number, before.stage.value)
        if changed.rowcount != 1:
            raise RuntimeError(
                f"The attempt at job {before.job_id} is not at {before.stage} in {self._path}: another"
                " process writes this journal."
            )

    async def live(self) -> Sequence[Attempt]:
        """Returns the attempts that have not ended, oldest first."""
        # Without ANALYZE the planner may prefer to read the whole table in order.
        return await self._run(self._attempts, f"INDEXED BY live_attempts WHERE {LIVE}")

    async def history(self) -> Sequence[Attempt]:
        """Returns all attempts that were not compacted, oldest first."""
        return await self._run(self._attempts)

    async def creator_totals(self) -> Mapping[Address, CreatorTotals]:
        """Returns what each creator paid and cost in attempts that were compacted."""
        return await self._run(self._totals)

    async def compact(self, before: float) -> int:
        """Folds attempts that ended before `before` into the totals of their creators, and deletes them."""
        return await self._run(self._compact, before)

    async def note_frame(self, attempt: Attempt, frame: SpooledFrame) -> None:
        """Stores a frame of an attempt, in place of an earlier one of the same number."""
        content = json.dumps(_FRAME.dump_python(frame, mode="json"))
        insert = "INSERT OR REPLACE INTO frames VALUES (?, ?, ?)"
        await self._execute(insert, attempt.number, frame.number, content)

    async def frames(self, attempt: Attempt) -> Sequence[SpooledFrame]:
        """Returns the stored frames of an attempt, by number."""
        select = "content FROM frames WHERE attempt = ? ORDER BY number"
        return await self._run(self._read, "frames", select, _frame, attempt.number)

    async def forget_frames(self, attempt: Attempt) -> None:
        """Deletes the frames of an attempt."""
        await self._execute("DELETE FROM frames WHERE attempt = ?", attempt.number)

    async def belongs_to(self, identity: str) -> str:
        """Returns the registry that this journal belongs to. The first call stores `identity`."""
        await self._execute(
            "INSERT INTO registry SELECT ? WHERE NOT EXISTS (SELECT 1 FROM registry)", identity
        )
        owners: list[str] = await self._run(self._read, "registry", "identity FROM registry", str)
        return owners[0]

    async def note_failure(self, failure: Failure) -> None:
        """Records why a scene failed. Pass CIDs in canonical spelling; they are stored unchanged."""
        await self._run(self._note_failure, failure)

    async def failures(self) -> Sequence[Failure]:
        """Returns the recorded failures, oldest first."""
        select = f"{', '.join(_FAILURE_COLUMNS)} FROM failures ORDER BY number"
        return await self._run(self._read, "failures", select, _failure)

    async def forget_failures(self, asset_cid: str | None = None) -> int:
        """Deletes the failures of one scene, or of all. Returns how many."""
        delete = "DELETE FROM failures WHERE ?1 IS NULL OR asset_cid = ?1"
        return (await self._execute(delete, asset_cid)).rowcount

    async def _execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        # Each statement is its own transaction.
        return await self._run(self._connection.execute, statement, values)

    async def _run(self, work: Callable[..., T], *arguments: object) -> T:
        """Runs work in the journal's thread, to its end even if cancelled."""

        def run() -> T:
            with translated(self._path, KIND):
                return work(*arguments)

        if self._thread.is_closed:
            raise HostUnavailable(f"The journal {self._path} is closed.")
        return await self._thread.run(run)

    def _write_attempt(self, attempt: Attempt, statement: str, *key: object) -> sqlite3.Cursor:
        content = json.dumps(_ATTEMPT.dump_python(attempt, mode="json", exclude=_NOT_IN_CONTENT))
        try:
            return self._connection.execute(
                statement, (str(attempt.job_id), attempt.stage.value, content, *key)
            )
        except sqlite3.IntegrityError as error:
            raise RuntimeError(f"Another attempt at job {attempt.job_id} is live in {self._path}.") from error

    def _attempts(self, which: str = "") -> list[Attempt]:
        select = f"number, job_id, stage, content FROM attempts {which} ORDER BY number"
        return self._read("attempts", select, _attempt)

    def _totals(self) -> dict[Address, CreatorTotals]:
        select = "creator, paid_fri, lost_fri FROM creator_totals"
        return dict(self._read("creator_totals", select, _total))

    def _compact(self, before: float) -> int:
        # Read before the transaction: only the one worker that holds the account's lock compacts.
        ended = self._attempts(f"WHERE NOT ({LIVE})")
        old = [attempt for attempt in ended if attempt.ended_at is not None and attempt.ended_at < before]
        sums = [
            (str(creator), str(t.paid_fri), str(t.lost_fri))
            for creator, t in fold(self._totals(), old).items()
        ]
        with transaction(self._connection):
            numbers = [(attempt.number,) for attempt in old]
            self._connection.executemany("DELETE FROM attempts WHERE number = ?", numbers)
            self._connection.execute("DELETE FROM frames WHERE attempt NOT IN (SELECT number FROM attempts)")
            self._connection.executemany("INSERT OR REPLACE INTO creator_totals VALUES (?, ?, ?)", sums)
        return len(old)

    def _note_failure(self, failure: Failure) -> None:
        insert = (
            "INSERT INTO failures (asset_cid, creator, code, detail, conditions, at)"
            " VALUES (:asset_cid, :creator, :code, :detail, :conditions, :at)"
        )
        row = {**_FAILURE.dump_python(failure, mode="json"), "creator": str(failure.creator)}
        with transaction(self._connection):
            self._connection.execute(insert, row)
            self._connection.execute(
                "DELETE FROM failures WHERE number <= (SELECT max(number) FROM failures) - ?",
                (MOST_FAILURES,),
            )

    def _read(self, table: str, select: str, make: Callable[..., T], *values: object) -> list[T]:
        """Reads rows of a table. Sets aside those that `make` refuses."""
        good: list[T] = []
        bad: list[tuple[str, int, str]] = []
        for number, *row in self._connection.execute(f"SELECT rowid, {select}", values).fetchall():
            try:
                good.append(make(*row))
            except (TypeError, ValueError):
                bad.append((table, number, ascii(row)))
        if bad:
            with transaction(self._connection):
                self._connection.executemany("INSERT INTO set_aside VALUES (?, ?, ?)", bad)
                for _, number, _ in bad:
                    self._connection.execute(f"DELETE FROM {table} WHERE rowid = ?", (number,))  # noqa: S608
        for _, number, content in bad:
            known = {"journal": str(self._path), "table": table, "number": number, "row": content[:500]}
            log.warning("journal_row_set_aside", **known)
        return good


def _attempt(number: int, job_id: str, stage: str, content: str) -> Attempt:
    columns = {"number": number, "job_id": job_id, "stage": stage}
    return _ATTEMPT.validate_python({**json.loads(content), **columns})


def _total(creator: str, paid_fri: str, lost_fri: str) -> tuple[Address, CreatorTotals]:
    return Address(int(creator)), CreatorTotals(int(paid_fri), int(lost_fri))


def _frame(content: str) -> SpooledFrame:
    return _FRAME.validate_python(json.loads(content))


def _failure(*row: object) -> Failure:
    return _FAILURE.validate_python(dict(zip(_FAILURE_COLUMNS, row, strict=True)))
