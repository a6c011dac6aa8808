"""The worker's loops: find jobs, serve them, watch for pay, stop.

Whatever is unavailable is waited for (`retrying`). A bug is logged with its
traceback, its attempt keeps its stage, and no new jobs are taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from veriframe.errors import Unavailable
from veriframe.model.attempt.attempt import Attempt
from veriframe.model.registry.job import Job
from veriframe.worker import pipeline
from veriframe.worker.claim.losses import Losses
from veriframe.worker.context import WorkerContext
from veriframe.worker.intake.intake import Intake
from veriframe.worker.polling import PollInterval
from veriframe.worker.reconciliation import new_attempt, reconcile
from veriframe.worker.recovery import recover
from veriframe.worker.retry import end, retrying
from veriframe.worker.settlement.repinning import keep_results
from veriframe.worker.settlement.submitted_jobs import SubmittedJobs, Withdrawal, clean_up, withdraw

log = structlog.get_logger()

_NO_JOB = 0
"""Stands for no job: ids count from 1."""


class Service:
    """One worker account at work, `slots` jobs at the same time."""

    def __init__(
        self,
        context: WorkerContext,
        *,
        slots: int,
        poll_seconds: float,
        idle_seconds: float = 5.0,
        withdrawal: Withdrawal | None = None,
    ) -> None:
        self._slots = slots
        self._poll_interval, self._idle_seconds = PollInterval(poll_seconds, idle_seconds), idle_seconds
        self._withdrawal = withdrawal
        self._running: dict[int, asyncio.Task[None]] = {}
        self._settling: dict[int, asyncio.Task[None]] = {}
        self._draining = asyncio.Event()
        self._is_healthy = True
        self._intake = Intake(context, is_under_way=lambda job_id: job_id in self._running)
        self._context = self._intake.context
        self._watch, self._losses = SubmittedJobs(self._context), Losses(self._context, idle_seconds)

    def drain(self) -> None:
        """Stops in order: no new claims; claimed jobs are finished within their leases."""
        self._draining.set()

    async def run(self, *, once: bool = False) -> bool:
        """Works until drained; with `once`, until nothing is open or under way. Returns False after a bug.

        Cancelling stops at once: renders are killed, and the journal allows a restart to continue.
        """
        work = asyncio.create_task(self._work(once))
        draining = asyncio.create_task(self._draining.wait())
        try:
            await asyncio.wait((work, draining), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
            else:
                await end([work])
                await self._finish_claimed()
        finally:
            await end([work, draining, *self._running.values(), *self._settling.values()])
        log.info("worker_stopped", unfinished=len(self._context.journal.unfinished()))
        return self._is_healthy

    async def _work(self, once: bool) -> None:
        context = self._context
        context.workspace.prepare()
        await context.store.tidy()
        await retrying(self._intake.begin)
        await retrying(lambda: recover(context))
        self._begin_withdrawal()
        keeping = asyncio.create_task(self._keep_results())
        try:
            while not (await retrying(self._poll_and_start) and once and self._is_idle):
                await self._wait_for_poll()
        finally:
            await end([keeping])

    @property
    def _is_idle(self) -> bool:
        """Whether nothing is under way or being settled."""
        return not self._running and not self._settling

    async def _wait_for_poll(self) -> None:
        """Waits until the next poll is due; a slot that becomes free is filled at once."""
        due = self._watch.due_in_seconds()
        pause = self._poll_interval.pause_seconds(due, busy=len(self._running) >= self._slots)
        if self._running:
            await asyncio.wait(self._running.values(), timeout=pause, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(pause)

    async def _finish_claimed(self) -> None:
        # Once no claim is being made, the journal says which jobs are claimed.
        await self._context.claims.wait_for_none()
        for job_id, task in self._running.items():
            known = self._context.journal.get(job_id)
            if known is None or not known.stage.holds_claim:
                task.cancel()
        log.info("worker_drains", jobs=sorted(self._running))
        while running := list(self._running.values()):
            await asyncio.wait(running, timeout=self._idle_seconds)
            if wanted := self._losses.wanted(self._running):
                # A registry that is unavailable is asked again after the next wait.
                with suppress(Unavailable):
                    self._losses.end((await self._intake.poll(wanted))[0], self._running)

    async def _poll_and_start(self) -> bool:
        """Polls the registry, and does all that follows from it. Returns True if nothing is left to start.

        Raises `Unavailable`: the registry is unavailable, or this machine has no room for one more job.
        """
        for waiting in self._waiting() if self._is_healthy else ():
            if len(self._running) < self._slots:
                self._start(waiting)
        ending = set(self._watch.wanted()) - self._settling.keys()
        snapshot, news = await self._intake.poll(ending | self._losses.wanted(self._running))
        if news:
            self._poll_interval.note_news()
        self._losses.end(snapshot, self._running)
        for job in self._watch.ready(snapshot):
            self._begin_settling(job)
        for job in self._watch.revived(snapshot):
            reconcile(job, self._context, snapshot.head.time)
        return not self._is_healthy or await self._fill_slots()

    async def _fill_slots(self) -> bool:
        """Starts jobs. Returns True if nothing is left that could be started. May be interrupted."""
        while len(self._running) < self._slots:
            if (job := await self._intake.next_job()) is None:
                return self._intake.has_seen_all and not self._waiting()
            self._start(self._begin(job))
        return False

    def _waiting(self) -> list[Attempt]:
        """Returns attempts of an earlier run, those with a lease first."""
        steps = [a for a in self._context.journal.unfinished() if a.stage in pipeline.STEPS]
        waiting = [attempt for attempt in steps if attempt.job_id not in self._running]
        return sorted(waiting, key=lambda attempt: not attempt.stage.holds_claim)

    def _begin(self, job: Job) -> Attempt:
        """Notes a new attempt, or restarts one whose race was lost."""
        journal, attempt = self._context.journal, new_attempt(job, at=self._context.clock())
        if (before := journal.get(job.id)) is None:
            journal.add(attempt)
        else:
            attempt = attempt.paying(before.fees_fri)
            journal.move(before, attempt)
        self._intake.note(attempt)
        return attempt

    def _start(self, attempt: Attempt) -> None:
        job_id = attempt.job_id
        task = asyncio.create_task(self._serve(job_id), name=f"job-{job_id}")
        self._running[job_id] = task
        task.add_done_callback(lambda _: self._running.pop(job_id, None))

    async def _serve(self, job_id: int) -> None:
        """Takes one job to SUBMITTED or to an end."""
        with structlog.contextvars.bound_contextvars(job_id=job_id):
            try:
                after = await self._losses.unless_lost(
                    job_id, lambda: retrying(lambda: self._run_pipeline(job_id))
                )
                self._intake.note_end(after)
                if after.stage.is_end:
                    await retrying(lambda: clean_up(after, self._context))
            except Exception:  # the last resort for bugs: one job must not end the worker
                self._is_healthy = False
                log.exception(
                    "bug", remedy="the worker takes no new jobs; please report this, and restart it"
                )

    async def _run_pipeline(self, job_id: int) -> Attempt:
        attempt = self._context.journal.get(job_id)
        if attempt is None:
            raise RuntimeError("an attempt under way must be in the journal")
        return await pipeline.run(attempt, self._context)

    async def _keep_results(self) -> None:
        try:
            await keep_results(self._context)
        except Exception:  # as above
            self._is_healthy = False
            log.exception("bug", remedy="the worker takes no new jobs; please report this, and restart it")

    def _begin_settling(self, job: Job) -> None:
        """Starts to settle a job with our result.

        Jobs that are settled at the same time may share a transaction.
        """

        async def settle() -> None:
            await self._watch.settle(job)
            self._poll_interval.note_news()
            self._begin_withdrawal()

        self._in_background(job.id, settle)

    def _begin_withdrawal(self) -> None:
        """Starts a withdrawal of surplus credit, if that is configured."""
        if (withdrawal := self._withdrawal) is not None:
            self._in_background(_NO_JOB, lambda: withdraw(self._context, withdrawal))

    def _in_background(self, job_id: int, work: Callable[[], Awaitable[None]]) -> None:
        """Runs `work` for a job's end in the background; one task for each job."""
        if job_id in self._settling:
            return

        async def run() -> None:
            try:
                await retrying(work)
            except Exception:  # as above
                self._is_healthy = False
                log.exception("bug", remedy="the worker takes no new jobs; please report this, and restart")

        task = asyncio.create_task(run(), name=f"end-{job_id}")
        self._settling[job_id] = task
        task.add_done_callback(lambda _: self._settling.pop(job_id, None))
