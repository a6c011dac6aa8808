"""The worker's loops: find jobs, serve them, watch for pay, stop.

The one place that retries: whatever is unavailable is tried again with growing, jittered waits. A fault that
is nobody's (a bug) is logged with its traceback, its attempt keeps its stage, and no new jobs are taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import stamina
import structlog

from veriframe.errors import HostUnavailable, MoveRefused, Unavailable
from veriframe.model.attempt import Attempt, Stage
from veriframe.model.job import Job, format_strk
from veriframe.model.reconciliation import stage_by_registry
from veriframe.worker import pipeline
from veriframe.worker.discovery import WINDOW, Discovery
from veriframe.worker.parts import Parts
from veriframe.worker.watch import Withdrawal, clean_up, watch_once

log = structlog.get_logger()

T = TypeVar("T")

POISON_FAILURES = 2
"""So many failures of the same bytes, and they are not tried again."""


class Service:
    """One worker account at work, `slots` jobs at the same time."""

    def __init__(
        self, parts: Parts, *, slots: int, poll_seconds: float, withdrawal: Withdrawal | None = None
    ) -> None:
        self._parts, self._slots, self._poll_seconds = parts, slots, poll_seconds
        self._withdrawal = withdrawal
        self._running: dict[int, asyncio.Task[None]] = {}
        self._tried: dict[int, Attempt] = {}
        self._draining = asyncio.Event()
        self._is_sound = True
        self._told_poor = False
        self._discovery = Discovery(parts.registry, parts.policy, self._may_try)

    def drain(self) -> None:
        """Stop in order: no new claims; what is claimed is finished within its lease."""
        self._draining.set()

    async def run(self, *, once: bool = False) -> bool:
        """Work until drained; with `once`, until nothing is open or under way. False where a bug was met.

        Cancelling stops at once: renders are killed, and the journal knows how to go on.
        """
        parts = self._parts
        parts.workspace.prepare()
        await self._reconcile()
        parts.workspace.sweep([attempt.job_id for attempt in parts.journal.unfinished()])
        watching = asyncio.create_task(self._watch())
        try:
            await self._serve(once)
        finally:
            await _end([watching, *self._running.values()])
        log.info("worker_stopped", unfinished=len(parts.journal.unfinished()))
        return self._is_sound

    async def _serve(self, once: bool) -> None:
        idle = False
        while not self._draining.is_set():
            idle = await self._fill_slots()
            if once and idle and not self._running:
                return
            await self._wait()
        for job_id, task in list(self._running.items()):
            known = self._parts.journal.get(job_id)
            # One that is CHECKED may be claiming at this very moment; it is finished like a claimed one.
            if known is None or known.stage in (Stage.SEEN, Stage.FETCHED):
                task.cancel()
        log.info("worker_drains", jobs=sorted(self._running))
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _wait(self) -> None:
        """Until a slot is free, the next look is due, or the worker is to stop."""
        waits: list[asyncio.Task[Any]] = [asyncio.create_task(self._draining.wait())]
        if len(self._running) < self._slots:
            waits.append(asyncio.create_task(asyncio.sleep(self._poll_seconds)))
        await asyncio.wait({*waits, *self._running.values()}, return_when=asyncio.FIRST_COMPLETED)
        await _end(waits)

    async def _fill_slots(self) -> bool:
        """Start what there is to do. True where there is nothing left that could be started."""
        if not self._is_sound:
            return True
        for waiting in self._waiting():
            if len(self._running) < self._slots:
                self._start(waiting)
        if len(self._running) >= self._slots or (candidates := await self._candidates()) is None:
            return False
        for job in candidates:
            if len(self._running) >= self._slots:
                return False
            if await self._is_wanted(job) and (attempt := self._begin(job)) is not None:
                self._start(attempt)
        return True

    def _waiting(self) -> list[Attempt]:
        """Attempts of an earlier run, those with a lease first."""
        steps = [a for a in self._parts.journal.unfinished() if a.stage in pipeline.STEPS]
        waiting = [attempt for attempt in steps if attempt.job_id not in self._running]
        return sorted(waiting, key=lambda attempt: not attempt.stage.holds_claim)

    async def _candidates(self) -> Sequence[Job] | None:
        """Open jobs that are liked. None where the registry does not answer."""
        try:
            return await self._discovery.look()
        except Unavailable as error:
            log.warning("registry_away", reason=str(error))
            await self._pause()
            return None

    async def _is_wanted(self, job: Job) -> bool:
        """Whether it is still open, its asset not known to fail, and its bond within our means."""
        parts = self._parts
        try:
            if parts.journal.poison(job.order.asset_cid) >= POISON_FAILURES:
                log.info("job_left", job_id=job.id, reason="its asset has failed here before")
                self._tried[job.id] = _fresh(job, parts.clock())
                return False
            funds = await parts.registry.funds(parts.registry.account)
            if funds.credit_fri + funds.wallet_fri < job.terms.bond_fri:
                self._tell_poor(job)
                return False
            parts.workspace.require_free(parts.disk_free_bytes)
            return await self._discovery.is_still_open(job.id)
        except HostUnavailable as error:
            log.warning("host_not_ready", reason=str(error))
            await self._pause()
        except (Unavailable, MoveRefused) as error:
            log.warning("registry_away", reason=str(error))
        return False

    def _tell_poor(self, job: Job) -> None:
        if not self._told_poor:
            log.warning(
                "no_money_for_bond",
                job_id=job.id,
                bond=format_strk(job.terms.bond_fri),
                remedy="send the account some STRK",
            )
        self._told_poor = True

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._draining.wait(), max(1.0, self._poll_seconds))

    def _may_try(self, job_id: int) -> bool:
        known = self._tried.get(job_id)
        return known is None or _was_only_too_slow(known)

    def _begin(self, job: Job) -> Attempt | None:
        """Note a new attempt, or begin a lost race anew."""
        journal, attempt = self._parts.journal, _fresh(job, self._parts.clock())
        before = journal.get(job.id)
        if before is None:
            journal.add(attempt)
        elif _was_only_too_slow(before):
            journal.move(before, attempt)
        else:
            self._tried[job.id] = before
            return None
        return attempt

    def _start(self, attempt: Attempt) -> None:
        self._tried[attempt.job_id] = attempt
        task = asyncio.create_task(self._take(attempt), name=f"job-{attempt.job_id}")
        self._running[attempt.job_id] = task

        def ended(_: asyncio.Task[None]) -> None:
            self._running.pop(attempt.job_id, None)

        task.add_done_callback(ended)

    async def _take(self, attempt: Attempt) -> None:
        """Serve one job to SUBMITTED or an end."""
        job_id = attempt.job_id
        with structlog.contextvars.bound_contextvars(job_id=job_id):
            try:
                after = await _patiently(lambda: self._again(job_id))
            except Exception:  # the last resort for bugs: the worker must not die of one job
                self._is_sound = False
                log.exception(
                    "bug", remedy="the worker takes no new jobs; please report this, and restart it"
                )
                return
            self._tried[job_id] = after
            if after.stage.is_end:
                self._note_poison(after)
                await _patiently(lambda: clean_up(after, self._parts))

    async def _again(self, job_id: int) -> Attempt:
        attempt = self._parts.journal.get(job_id)
        if attempt is None:
            raise RuntimeError("an attempt that is served is in the journal")
        return await pipeline.run(attempt, self._parts)

    def _note_poison(self, attempt: Attempt) -> None:
        if attempt.code is not None and attempt.stage in (Stage.REFUSED, Stage.RELEASED):
            self._parts.journal.remember_poison(attempt.asset_cid, attempt.code)

    async def _watch(self) -> None:
        while True:
            try:
                await _patiently(lambda: watch_once(self._parts, self._withdrawal))
            except Exception:  # as above
                self._is_sound = False
                log.exception("bug", remedy="pay is not watched any more; please report this, and restart")
                return
            await asyncio.sleep(self._poll_seconds)

    async def _reconcile(self) -> None:
        """Compare what the journal says with the registry, and take on claims that the journal has lost."""
        parts = self._parts
        self._tried = {attempt.job_id: attempt for attempt in parts.journal.attempts()}
        now, last = await _patiently(self._now)
        for first in range(1, last + 1, WINDOW):
            for job in await _patiently(partial(parts.registry.get_jobs, first, WINDOW)):
                self._reconcile_job(job, now)

    async def _now(self) -> tuple[int, int]:
        return (await self._parts.registry.head()).time, await self._parts.registry.job_counter()

    def _reconcile_job(self, job: Job, now: int) -> None:
        parts, account = self._parts, self._parts.registry.account
        attempt = parts.journal.get(job.id)
        if attempt is None:
            if job.worker != account or job.state.is_final or job.is_lapsed(now):
                return
            attempt = _fresh(job, parts.clock())
            parts.journal.add(attempt)
        stage = stage_by_registry(attempt, job, account, now)
        if stage is not attempt.stage:
            log.warning("reconciled", job_id=job.id, journal=attempt.stage, registry=job.state, stage=stage)
            after = replace(
                attempt,
                stage=stage,
                result_cid=job.result_cid if stage is Stage.SUBMITTED else attempt.result_cid,
                reached={**attempt.reached, stage: parts.clock()},
            )
            parts.journal.move(attempt, after)
            parts.on_stage(attempt, after)
            attempt = after
        self._tried[job.id] = attempt


def _fresh(job: Job, at: float) -> Attempt:
    return Attempt(
        job_id=job.id,
        asset_cid=job.order.asset_cid,
        reward_fri=job.terms.reward_fri,
        reached={Stage.SEEN: at},
    )


def _was_only_too_slow(attempt: Attempt) -> bool:
    """Whether another claimed it first; if that one fails, the job is as good as new to us."""
    return attempt.stage is Stage.LOST and Stage.CLAIMED not in attempt.reached


async def _patiently(work: Callable[[], Awaitable[T]]) -> T:
    """Try again for as long as it takes while an outside part is away."""
    async for attempt in stamina.retry_context(
        on=Unavailable, attempts=None, timeout=None, wait_initial=0.2, wait_max=30.0
    ):
        with attempt:
            return await work()
    raise AssertionError("retried for ever")


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel what still runs, and wait until it is gone."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
