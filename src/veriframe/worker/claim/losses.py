"""Stops work on jobs that the registry shows as lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping

import structlog

from veriframe.model.attempt.attempt import Attempt
from veriframe.model.attempt.reconciliation import is_lost
from veriframe.model.registry.job import Job
from veriframe.ports.registry import Snapshot
from veriframe.worker.context import WorkerContext
from veriframe.worker.reconciliation import reconcile
from veriframe.worker.retry import retrying

log = structlog.get_logger()


class Losses:
    """Which running jobs to check, and which of them to end: they are over, or another worker has them."""

    def __init__(
        self, context: WorkerContext, every_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Each job is checked every `every_seconds`. `clock` gives monotonic seconds."""
        self._context, self._every, self._clock = context, every_seconds, clock
        self._seen_at: dict[int, float] = {}
        self._lost: dict[int, tuple[Job, int]] = {}

    def wanted(self, running: Collection[int]) -> set[int]:
        """Returns the running jobs with a claim of ours that were not checked recently."""
        for gone in self._seen_at.keys() - set(running):
            del self._seen_at[gone]
        if not running:
            return set()
        claimed = {a.job_id for a in self._context.journal.unfinished() if a.stage.holds_claim}
        oldest = self._clock() - self._every
        return {i for i in running if i in claimed and self._seen_at.get(i, oldest) <= oldest}

    def end(self, snapshot: Snapshot, running: Mapping[int, asyncio.Task[None]]) -> None:
        """Cancels the work on jobs that `snapshot` shows to be lost."""
        for job in snapshot.jobs:
            if (task := running.get(job.id)) is None:
                continue
            self._seen_at[job.id] = self._clock()
            if job.id not in self._lost and self._is_lost(job, snapshot.head.time):
                log.warning("job_lost", job_id=job.id, state=job.state, reason="its work ends now")
                self._lost[job.id] = job, snapshot.head.time
                task.cancel()

    async def unless_lost(self, job_id: int, work: Callable[[], Awaitable[Attempt]]) -> Attempt:
        """Runs `work`; if the job is lost meanwhile, notes that. Returns the attempt after it."""
        try:
            return await work()
        except asyncio.CancelledError:
            if job_id not in self._lost:
                raise
        finally:
            seen = self._lost.pop(job_id, None)
        task = asyncio.current_task()
        assert task is not None
        assert seen is not None
        if task.uncancel():
            raise asyncio.CancelledError  # the whole worker stops as well
        if await retrying(lambda: self._note(*seen)):
            return self._attempt(job_id)
        return await self.unless_lost(job_id, work)

    async def _note(self, job: Job, now: int) -> bool:
        """Notes the loss in the journal. Returns False if the last step made it void."""
        if not self._is_lost(job, now):
            return False
        reconcile(job, self._context, now)
        return True

    def _is_lost(self, job: Job, now: int) -> bool:
        attempt = self._context.journal.get(job.id)
        return attempt is not None and is_lost(attempt, job, self._context.registry.account, now)

    def _attempt(self, job_id: int) -> Attempt:
        attempt = self._context.journal.get(job_id)
        if attempt is None:
            raise RuntimeError("an attempt under way must be in the journal")
        return attempt
