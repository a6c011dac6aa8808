"""One account's moves at a foreign registry, in a small SQLite file, opened for each change.

Such a registry may have no claims, hide who submitted a result, or delete finished jobs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from veriframe.adapters.starknet.foreign.job import FixedFacts, MoveRecord
from veriframe.sqlite_file import Kind, open_file, transaction, translated

NOTES_MOST = 1000
"""The most notes that are stored. Beyond that, notes on submitted jobs are deleted, oldest first."""
KIND = Kind(
    name="record of moves",
    application_id=0x56464D52,  # “VFMR”
    migrations=(
        (
            "CREATE TABLE registry (first_id INTEGER NOT NULL)",
            # Ids exceed SQLite's integers.
            "CREATE TABLE moves (number INTEGER PRIMARY KEY, job_id TEXT UNIQUE, note BLOB NOT NULL)",
        ),
    ),
    busy_seconds=2.0,
    is_examined=True,
    when_damaged=(
        "Put a copy in its place. Without one, move the file away: results in progress are then rendered"
        " again, or lost to other workers."
    ),
    when_gone="Put the record back, or move the log away too if no job is in progress.",
)
_NOTE = TypeAdapter(MoveRecord)


class MoveRecords:
    """The notes of `account` on the jobs of `registry`, in `folder`. The first note creates the file.

    Raises `SettingsError` if the file is damaged, `HostUnavailable` if it cannot be read or written.
    Methods block for as long as the disk takes.
    """

    def __init__(self, folder: Path, registry: int, account: int) -> None:
        self.path = folder / f"claims-{registry:x}-{account:x}.sqlite"
        self.first_id: int | None = None
        """Whether the registry's ids start at 0 or at 1; None if there is no note yet."""
        self._jobs: dict[int, MoveRecord] = {}
        if not self.path.exists():
            return
        with self._opened() as connection:
            rows = connection.execute("SELECT job_id, note FROM moves ORDER BY number").fetchall()
            for (first_id,) in connection.execute("SELECT first_id FROM registry"):
                self.first_id = first_id
        try:
            self._jobs = {int(job_id): _NOTE.validate_json(note) for job_id, note in rows}
        except ValidationError as error:
            raise KIND.damaged(self.path, error.errors()[0]["msg"]) from error

    @property
    def jobs(self) -> Mapping[int, MoveRecord]:
        """All notes by job, oldest first."""
        return self._jobs

    def get(self, job_id: int, facts: FixedFacts) -> MoveRecord | None:
        """The note on a job with these facts; a note on another job with this id does not count."""
        if (note := self._jobs.get(job_id)) is None:
            return None
        known = (note.facts.creator, note.facts.asset_cid)
        return note if known == (facts.creator, facts.asset_cid) else None

    def put(self, job_id: int, note: MoveRecord, *, first_id: int) -> None:
        """Stores a note and replaces an earlier one; durable on return."""
        jobs = {known: other for known, other in self._jobs.items() if known != job_id}
        over = [known for known, other in jobs.items() if other.is_submitted]
        for known in over[: max(0, len(jobs) + 1 - NOTES_MOST)]:
            del jobs[known]
        self._keep({**jobs, job_id: note}, 1 if first_id else 0)

    def drop(self, job_id: int) -> None:
        """Deletes a note, if it exists; durable on return."""
        if job_id in self._jobs:
            self._keep({known: note for known, note in self._jobs.items() if known != job_id}, self.first_id)

    def doubt(self) -> None:
        """Marks all submissions as unconfirmed: a reorganisation may have undone them. Durable on return."""
        self._keep(
            {
                job_id: note if note.has_ended else replace(note, is_submitted=False)
                for job_id, note in self._jobs.items()
            },
            self.first_id,
        )

    def _keep(self, jobs: dict[int, MoveRecord], first_id: int | None) -> None:
        gone = [(str(job_id),) for job_id in self._jobs if job_id not in jobs]
        new = [(str(key), _NOTE.dump_json(one)) for key, one in jobs.items() if self._jobs.get(key) != one]
        if gone or new:
            with self._opened() as connection:
                connection.executemany("DELETE FROM moves WHERE job_id = ?", gone)
                connection.executemany("INSERT OR REPLACE INTO moves (job_id, note) VALUES (?, ?)", new)
                if first_id != self.first_id:
                    connection.execute("DELETE FROM registry")
                    connection.execute("INSERT INTO registry VALUES (?)", (first_id,))
            self._jobs, self.first_id = jobs, first_id

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with (
            translated(self.path, KIND),
            closing(open_file(self.path, KIND)) as connection,
            transaction(connection),
        ):
            yield connection
