"""Our own jobs as the registry shows them: which to read again and when, and what each calls for.

The journal and the registry may differ for many reasons: a kill between a move and its note, a restore from
a backup, a reorganisation, a node that lags behind. All of them are found here, by one rule: the registry
wins, but a difference that a lagging node would show as well must last for some blocks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

from veriframe.model.attempt.attempt import Stage
from veriframe.model.attempt.reconciliation import is_lost, stage_by_registry
from veriframe.model.registry.job import Job, JobState
from veriframe.ports.registry import Snapshot
from veriframe.worker.context import WorkerContext
from veriframe.worker.reconciliation import is_same

LAG_BLOCKS = 10
"""How far behind a node may be that does not show our last move yet."""


class Call(Enum):
    """What one of our jobs calls for."""

    END_WORK = auto()
    """It is lost, or another worker has it: work on it ends."""
    RECONCILE = auto()
    """Our attempt is at another stage than the registry shows, or is missing."""
    SETTLE = auto()
    """Its result is decided, or time has decided it."""
    NOTE_END = auto()
    """The journal does not have the end of its review or arbitration."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One of our jobs that needs attention. `now` is the time to judge it by, in chain seconds."""

    job: Job
    call: Call
    now: int


class OwnJobs:
    """The jobs that we have attempts at, and those that only the registry shows as ours."""

    def __init__(self, context: WorkerContext, every_seconds: float) -> None:
        """Jobs that are worked on are read every `every_seconds`."""
        self._context, self._every = context, every_seconds
        self._read_at: dict[int, float] = {}
        self._due: dict[int, int] = {}
        # From which block on a difference counts. A result that was shown once is missed at once after it.
        self._certain_at: dict[int, int] = {}
        self._in_doubt: set[int] = set()
        self._now = 0
        self.is_starting = True
        """Until all jobs were read once, nothing that this run did can be what a node does not show yet."""

    def wanted(self, running: Collection[int]) -> Collection[int]:
        """Returns the jobs to read now: in work, decided by time, not read since the start, or in doubt."""
        submitted = self._submitted()
        _forget(self._due, submitted)
        _forget(self._read_at, set(running))
        _forget(self._certain_at, submitted | self._in_doubt)
        oldest = self._context.monotonic() - self._every
        return {
            *(job_id for job_id in running if self._read_at.get(job_id, oldest) <= oldest),
            *(job_id for job_id in submitted if self._due.get(job_id, 0) <= self._now),
            *self._in_doubt,
        }

    def due_in_seconds(self) -> int | None:
        """Returns how long until time decides the next result; None if there is none."""
        return max(0, min(self._due.values()) - self._now) if self._due else None

    def defer(self, job_id: int, seconds: int) -> None:
        """Leaves a job alone for a while, in chain seconds."""
        self._due[job_id] = self._now + seconds

    def findings(self, snapshot: Snapshot, running: Collection[int]) -> Iterator[Finding]:
        """Yields what the jobs in `snapshot` call for."""
        self._now = now = snapshot.head.time
        for job in snapshot.jobs:
            if job.id in running:
                self._read_at[job.id] = self._context.monotonic()
                call = Call.END_WORK if self.calls_for_end(job, now) else None
            else:
                call = self._of_idle(job, snapshot)
            if call is not None:
                if call is not Call.NOTE_END:
                    self._in_doubt.discard(job.id)
                    self._certain_at.pop(job.id, None)
                yield Finding(job, call, now)

    async def note_end(self, job: Job) -> None:
        """Notes when time decides our result. Raises `HostUnavailable`."""
        attempt = self._context.attempts.of(job.id)
        if attempt is not None and attempt.stage is Stage.SUBMITTED:
            after = replace(attempt, due_at=end_of(job), is_disputed=job.state is JobState.DISPUTED)
            await self._context.attempts.record(attempt, after)

    def calls_for_end(self, job: Job, now: int) -> bool:
        """Whether work on the job must end: its claim is lost, or it is gone before it was claimed."""
        attempt, account = self._context.attempts.of(job.id), self._context.registry.account
        if attempt is None or job.id in self._context.claims or not is_same(attempt, job):
            return False  # its next step finds out, or its claim
        is_before = not (attempt.stage.holds_claim or attempt.stage.is_end or job.worker == account)
        return is_lost(attempt, job, account, now) or (
            is_before and attempt.stage is not Stage.SUBMITTED and not job.is_open(now)
        )

    def _of_idle(self, job: Job, snapshot: Snapshot) -> Call | None:
        attempt, now = self._context.attempts.of(job.id), snapshot.head.time
        if attempt is None:
            ours = job.worker == self._context.registry.account
            return Call.RECONCILE if ours and not job.state.is_final and not job.is_lapsed(now) else None
        if not is_same(attempt, job):
            return None if attempt.stage.is_end else Call.RECONCILE
        stage = attempt.stage
        if stage is Stage.SUBMITTED and (job.state.is_final or self._is_due(job, now)):
            return Call.SETTLE
        if stage_by_registry(attempt, job, self._context.registry.account, now) is stage:
            self._in_doubt.discard(job.id)
            if stage is Stage.SUBMITTED:
                self._certain_at[job.id] = snapshot.head.number
                self._due[job.id] = max(end_of(job), self._due.get(job.id, 0))
                return None if end_of(job) in (0, attempt.due_at) else Call.NOTE_END
        elif self.is_starting or self._is_certain(job.id, snapshot.head.number):
            return Call.RECONCILE
        return None

    def _is_due(self, job: Job, now: int) -> bool:
        return is_due(job, now) and self._due.get(job.id, 0) <= now

    def _is_certain(self, job_id: int, block: int) -> bool:
        """Whether a difference is more than the view of a node that lags behind."""
        self._in_doubt.add(job_id)
        return block >= self._certain_at.setdefault(job_id, block + LAG_BLOCKS)

    def _submitted(self) -> set[int]:
        return {a.job_id for a in self._context.attempts.live() if a.stage is Stage.SUBMITTED}


def _forget(times: dict[int, Any], kept: set[int]) -> None:
    for gone in times.keys() - kept:
        del times[gone]


def is_due(job: Job, now: int) -> bool:
    """Whether time alone has decided, so that anyone may end the job."""
    return job.state in (JobState.SUBMITTED, JobState.DISPUTED) and now >= end_of(job)


def end_of(job: Job) -> int:
    """Returns when time decides a job that has a result, in chain seconds."""
    return job.arbitration_end if job.state is JobState.DISPUTED else job.review_end
