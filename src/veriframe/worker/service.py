"""The worker's loop: poll the registry, start jobs, settle results, stop.

Whatever is unavailable is waited for (`retrying`). A bug is logged with its traceback, its attempt keeps its
stage, and no new jobs are taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

import structlog

from veriframe.errors import SettingsError, Unavailable
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.retry import end, retrying
from veriframe.worker import pipeline
from veriframe.worker.ahead import Ahead
from veriframe.worker.context import WorkerContext
from veriframe.worker.intake.intake import Intake
from veriframe.worker.listener import Listener
from veriframe.worker.own_jobs import Call, Finding, OwnJobs
from veriframe.worker.polling import PollInterval
from veriframe.worker.reconciliation import reconcile, why_work_ends
from veriframe.worker.recovery import recover, remove_leftovers
from veriframe.worker.report import worker_stopped
from veriframe.worker.settlement.repinning import keep_results
from veriframe.worker.settlement.settling import Withdrawal, clean_up, settle, withdraw
from veriframe.worker.shared.lanes import Lane

log = structlog.get_logger()

T = TypeVar("T")

STATUS_SECONDS = 600.0
"""Between two lines on how busy the worker is."""

AGAIN_SECONDS = 60
"""The wait, in chain seconds, after the registry refused to finalize a job."""

_NO_JOB = 0
"""Stands for no job: ids count from 1."""


class Service(Listener):
    """One worker account at work."""

    def __init__(
        self,
        context: WorkerContext,
        *,
        poll_seconds: float,
        idle_seconds: float = 5.0,
        withdrawal: Withdrawal | None = None,
    ) -> None:
        self._context, self._withdrawal = context, withdrawal
        self._poll_interval, self._idle_seconds = PollInterval(poll_seconds, idle_seconds), idle_seconds
        self._running: dict[int, asyncio.Task[None]] = {}
        self._lost: dict[int, Finding] = {}
        self._background: dict[int, asyncio.Task[None]] = {}
        self._draining, self._stirred = asyncio.Event(), asyncio.Event()
        self._unusable: SettingsError | None = None
        self._logged_at, self._ahead = context.monotonic(), Ahead(context, self._running)
        self._intake, self._own = Intake(context), OwnJobs(context, idle_seconds)
        context.listener.add(self)

    def drain(self) -> None:
        """Stops in order: no new claims; claimed jobs are finished within their leases."""
        self._draining.set()
        self._context.pauses.note("stopping", "The worker stops as soon as its claimed jobs are submitted.")

    async def run(self, *, once: bool = False) -> bool:
        """Works until drained; with `once`, until nothing is open or under way. Returns False after a bug.

        Cancelling stops at once: renders are killed, and the journal allows a restart to continue. Raises
        `SettingsError` if a setting turns out to be unusable; claimed jobs are finished before, if possible.
        With `once`, raises `Unavailable` if the store or this machine could not take a job that is open.
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
            await end([work, draining, *self._running.values(), *self._background.values()])
            await self._context.kept.close()
            await self._context.kept_for_checks.close()
        worker_stopped(self._context.attempts.live(), self._context.lanes.busy_percent)
        if self._unusable is not None:
            raise self._unusable
        return not self._intake.is_closed

    async def _work(self, once: bool) -> None:
        context = self._context
        context.workspace.prepare()
        await context.store.tidy()
        await self._retrying(self._intake.begin)
        await self._retrying(lambda: recover(context))
        self._begin_withdrawal()
        works = (lambda: keep_results(context), context.manners.keep)
        keeping = [asyncio.create_task(self._guarded(work)) for work in works]
        try:
            while not (await self._retrying(self._poll_and_start) and once and self._is_idle):
                await self._wait_for_poll()
            if self._intake.hindrance is not None:
                raise self._intake.hindrance
        finally:
            await end(keeping)

    async def _retrying(self, work: Callable[[], Awaitable[T]]) -> T:
        """Waits for what is unavailable; nothing is claimed meanwhile."""
        return await retrying(work, partial(self._context.pauses.note, "unavailable"))

    @property
    def _is_idle(self) -> bool:
        """Whether nothing is under way or being settled, nor has ended since jobs were last chosen."""
        return not self._running and not self._background and not self._stirred.is_set()

    async def _wait_for_poll(self) -> None:
        """Waits until the next poll is due, or a job has ended. Fills a place that becomes free at once."""
        monotonic = self._context.monotonic
        is_busy = not self._ahead.has_place or self._context.lanes.is_full(Lane.RENDER)
        until = monotonic() + self._poll_interval.pause_seconds(self._own.due_in_seconds(), busy=is_busy)
        running = len(self._running)
        while (left := until - monotonic()) > 0 and len(self._running) >= running:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._stirred.wait()
            if self._stirred.is_set() and len(self._running) >= running:
                self._stirred.clear()
                await self._retrying(self._start_jobs)
                running = len(self._running)

    def on_stage(self, before: Attempt, after: Attempt) -> None:
        """A job has moved on: perhaps another one can be started."""
        if after.stage in (Stage.CHECKED, Stage.CLAIMED, Stage.SUBMITTED) or after.stage.is_end:
            self._stirred.set()

    def on_wait(self, job_id: int, what: str) -> None:
        """A scene does not arrive: another one may be fetched beside it."""
        self._stirred.set()

    async def _finish_claimed(self) -> None:
        self._end_unclaimed()
        # Once no claim is being made, the journal says which jobs are claimed.
        await self._context.claims.wait_for_none()
        self._end_unclaimed()
        log.info("worker_drains", jobs=self._context.attempts.claimed())
        while running := list(self._running.values()):
            await asyncio.wait(running, timeout=self._idle_seconds)
            if self._running:
                # A registry that is unavailable is asked again after the next wait.
                with suppress(Unavailable):
                    await self._poll()

    def _end_unclaimed(self) -> None:
        """Ends the work on jobs that are not claimed, nor being claimed."""
        for job_id, task in self._running.items():
            if job_id not in self._context.attempts.claimed() and job_id not in self._context.claims:
                task.cancel()

    async def _poll_and_start(self) -> bool:
        """Polls, and does what follows. Returns True if nothing is left to start. Raises `Unavailable`."""
        self._stirred.clear()
        self._resume()
        await self._poll()
        self._log_status()
        if self._own.is_starting and self._intake.has_read_all:
            self._own.is_starting = False
            await remove_leftovers(self._context)
        return self._intake.is_closed or await self._start_jobs()

    def _log_status(self) -> None:
        if self._context.monotonic() - self._logged_at >= STATUS_SECONDS:
            self._logged_at, busy = self._context.monotonic(), self._context.lanes.busy_percent
            log.info("worker_status", busy_percent=busy, jobs=len(self._running), ahead=self._ahead.jobs)

    async def _poll(self) -> None:
        """One poll of the registry: news for the intake, and what our own jobs call for."""
        wanted = set(self._own.wanted(self._running)) - self._background.keys()
        snapshot, news = await self._intake.poll(wanted)
        if news:
            self._poll_interval.note_news()
        for finding in self._own.findings(snapshot, self._running):
            job = finding.job
            if finding.call is Call.RECONCILE:
                await reconcile(job, self._context, finding.now)
            elif finding.call is Call.SETTLE:
                self._begin_settling(finding)
            elif finding.call is Call.NOTE_END:
                if job.id not in self._background:  # its end may be being noted
                    await self._own.note_end(job)
            elif job.id not in self._lost:
                reason = why_work_ends(job, self._context)
                log.warning("job_lost", job_id=job.id, state=job.state, reason=reason)
                self._lost[job.id] = finding
                self._running[job.id].cancel()

    async def _start_jobs(self) -> bool:
        """Starts jobs. Returns True if nothing is left that could be started. May be interrupted."""
        while self._ahead.has_place:
            if (job := await self._intake.next_job(self._running)) is None:
                return self._intake.has_seen_all and not self._ahead.waiting()
            self._start(await self._intake.start(job))
        if self._ahead.is_crowded:
            self._context.scenes.give_way()
        return False

    def _resume(self) -> None:
        """Starts attempts of an earlier run, those with a lease first, whatever the places ahead."""
        for attempt in () if self._intake.is_closed else self._ahead.waiting():
            if attempt.stage.holds_claim or self._ahead.has_place:
                log.info("job_resumed", job_id=attempt.job_id, stage=attempt.stage)
                self._start(attempt)

    def _start(self, attempt: Attempt) -> None:
        job_id = attempt.job_id
        task = asyncio.create_task(self._guarded(lambda: self._serve(job_id)), name=f"job-{job_id}")
        self._running[job_id] = task
        task.add_done_callback(lambda _: self._end_of(job_id))

    def _end_of(self, job_id: int) -> None:
        self._running.pop(job_id, None)
        self._stirred.set()

    async def _serve(self, job_id: int) -> None:
        """Takes one job to SUBMITTED or to an end."""
        with structlog.contextvars.bound_contextvars(job_id=job_id):
            while not await self._runs_to_its_end(job_id):
                pass
            if (after := self._context.attempts.of(job_id)) is None:
                return
            await retrying(lambda: self._intake.note_end(after))
            if after.stage.is_end:
                await retrying(lambda: clean_up(after, self._context))

    async def _runs_to_its_end(self, job_id: int) -> bool:
        """Works on a job until that is done or its loss is noted. False: the last step made the loss void."""
        try:
            on_wait = partial(self._context.listener.on_wait, job_id)
            await retrying(lambda: self._run_pipeline(job_id), on_wait)
        except asyncio.CancelledError:
            if job_id not in self._lost:
                raise
        if (seen := self._lost.pop(job_id, None)) is None:
            return True
        if (task := asyncio.current_task()) is not None and task.uncancel() > 0:
            raise asyncio.CancelledError  # the whole worker stops as well
        if self._own.calls_for_end(seen.job, seen.now):
            await retrying(lambda: reconcile(seen.job, self._context, seen.now))
            return True
        return False

    async def _run_pipeline(self, job_id: int) -> Attempt:
        if (attempt := self._context.attempts.of(job_id)) is None:
            raise RuntimeError("an attempt under way must be in the journal")
        return await pipeline.run(attempt, self._context)

    def _begin_settling(self, finding: Finding) -> None:
        """Starts to settle a job with our result. Those settled at the same time may share a transaction."""

        async def work() -> None:
            if not await settle(finding, self._context):
                self._own.defer(finding.job.id, AGAIN_SECONDS)
            self._poll_interval.note_news()
            self._begin_withdrawal()

        self._in_background(finding.job.id, work)

    def _begin_withdrawal(self) -> None:
        """Starts a withdrawal of surplus credit, if that is configured."""
        if (withdrawal := self._withdrawal) is not None:
            self._in_background(_NO_JOB, lambda: withdraw(self._context, withdrawal))

    def _in_background(self, job_id: int, work: Callable[[], Awaitable[None]]) -> None:
        """Runs `work` for a job's end in the background; one task for each job."""
        if job_id not in self._background:
            task = asyncio.create_task(self._guarded(lambda: retrying(work)), name=f"end-{job_id}")
            self._background[job_id] = task
            task.add_done_callback(lambda _: self._background.pop(job_id, None))

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        """Runs one piece of work whose failure must not end the others."""
        try:
            await work()
        except SettingsError as error:
            # The operator has to act, and a restart goes on: as with Ctrl-C, claimed jobs are finished.
            self._unusable = error
            self.drain()
        except Exception:  # the last resort for bugs: one job must not end the worker
            self._intake.is_closed = True
            self._context.pauses.note("bug", "A bug occurred; the log has it. Please report it, and restart.")
            log.exception("bug", remedy="the worker takes no new jobs; please report this, and restart it")
