"""A journal in memory."""

from __future__ import annotations

from collections.abc import Sequence

from veriframe.model.attempt.attempt import Attempt
from veriframe.model.attempt.failure import Failure
from veriframe.ports.journal import Journal


class FakeJournal(Journal):
    """Attempts in a dictionary. `moves` lists the new attempts; every call raises `fault` while it is set."""

    def __init__(self) -> None:
        self.by_job: dict[int, Attempt] = {}
        self.moves: list[Attempt] = []
        self.failed: list[Failure] = []
        self.identity = ""
        self.fault: Exception | None = None

    def add(self, attempt: Attempt) -> bool:
        """Adds a new attempt. Returns False if there already is one."""
        self._fail()
        return self.by_job.setdefault(attempt.job_id, attempt) is attempt

    def get(self, job_id: int) -> Attempt | None:
        """Returns the attempt on a job, if any."""
        self._fail()
        return self.by_job.get(job_id)

    def move(self, before: Attempt, after: Attempt) -> None:
        """Replaces an attempt by the next one."""
        self._fail()
        if before.job_id != after.job_id:
            raise ValueError(f"a move from job {before.job_id} to job {after.job_id}")
        there = self.by_job.get(before.job_id)
        if there is None or there.stage is not before.stage:
            raise RuntimeError(f"The attempt on job {before.job_id} is not at {before.stage}.")
        self.by_job[after.job_id] = after
        self.moves.append(after)

    def unfinished(self) -> Sequence[Attempt]:
        """Returns the attempts whose stage is not an end, oldest first."""
        return [attempt for attempt in self.attempts() if not attempt.stage.is_end]

    def attempts(self) -> Sequence[Attempt]:
        """Returns all attempts, oldest first."""
        self._fail()
        return list(self.by_job.values())

    def belongs_to(self, identity: str) -> str:
        """Returns the identity of the first call."""
        self._fail()
        self.identity = self.identity or identity
        return self.identity

    def note_failure(self, failure: Failure) -> None:
        """Records a failure."""
        self._fail()
        self.failed.append(failure)

    def failures(self) -> Sequence[Failure]:
        """Returns the failures."""
        self._fail()
        return list(self.failed)

    def forget_failures(self, asset_cid: str | None = None) -> int:
        """Deletes failures. Returns how many."""
        self._fail()
        kept = [one for one in self.failed if asset_cid not in (None, one.asset_cid)]
        forgotten = len(self.failed) - len(kept)
        self.failed = kept
        return forgotten

    def _fail(self) -> None:
        if self.fault is not None:
            raise self.fault
