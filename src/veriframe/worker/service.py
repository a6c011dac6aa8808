"""The worker's loops: find jobs, serve them, watch for pay, stop.

Whatever is unavailable is waited for (`patiently`). A fault that is nobody's (a bug) is logged with its
traceback, its attempt keeps its stage, and no new jobs are taken.
"""

from __future__ import annotations

import asyncio

import structlog

from veriframe.errors import Code
from veriframe.model.attempt import Attempt, Stage
from veriframe.model.job import Job, format_strk
from veriframe.worker import pipeline
from veriframe.worker.caution import Caution
from veriframe.worker.discovery import Discovery
from veriframe.worker.parts import Parts
from veriframe.worker.patience import end, patiently
from veriframe.worker.recovery import new_attempt, recover
from veriframe.worker.watch import Withdrawal, clean_up, watch_once

log = structlog.get_logger()

POISON_FAILURES = 2
"""So many failures of the same bytes, and they are not tried again."""

NOT_THE_BYTES = frozenset(
    (
        *(Code.LOST, Code.LEASE, Code.STOPPED),  # time and other workers
        *(Code.NOT_FOUND, Code.UPLOAD),  # the store
        *(Code.DISK, Code.GPU, Code.SANDBOX),  # this machine
        *(Code.VERSION, Code.ENGINE, Code.TOO_LARGE, Code.RESOLUTION, Code.SAMPLES),  # its settings
    )
)
"""Failures that say nothing against the asset's bytes: they are not counted."""


class Service:
    """One worker account at work, `slots` jobs at the same time."""

    def __init__(
        self, parts: Parts, *, slots: int, poll_seconds: float, withdrawal: Withdrawal | None = None
    ) -> None:
        self._parts, self._slots, self._poll_seconds = parts, slots, poll_seconds
        self._withdrawal = withdrawal
        self._running: dict[int, asyncio.Task[None]] = {}
        self._settled: set[int] = set()
        self._draining = asyncio.Event()
        self._is_sound = True
        self._told_poor = False
        self._caution = Caution()
        self._discovery = Discovery(parts.registry, parts.policy, self._may_try)

    def drain(self) -> None:
        """Stop in order: no new claims; what is claimed is finished within its lease."""
        self._draining.set()

    async def run(self, *, once: bool = False) -> bool:
        """Work until drained; with `once`, until nothing is open or under way. False where a bug was met.

        Cancelling stops at once: renders are killed, and the journal knows how to go on.
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
            await end([work, draining, *self._running.values()])
        log.info("worker_stopped", unfinished=len(self._parts.journal.unfinished()))
        return self._is_sound

    async def _work(self, once: bool) -> None:
        parts = self._parts
        parts.workspace.prepare()
        await patiently(lambda: recover(parts))
        self._settled = {known.job_id for known in parts.journal.attempts() if not _was_too_slow(known)}
        watching = asyncio.create_task(self._watch())
        try:
            while not (await patiently(self._fill_slots) and once and not self._running):
                await self._rest()
        finally:
            await end([watching])

    async def _rest(self) -> None:
        """Until a slot is free or, with one free already, the next look is due."""
        timeout = self._poll_seconds if len(self._running) < self._slots else None
        if self._running:
            await asyncio.wait(self._running.values(), timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(self._poll_seconds)

    async def _finish_claimed(self) -> None:
        # With the money in hand: nobody is in the middle of a claim, and the journal tells who has one.
        async with self._parts.money:
            for job_id, task in self._running.items():
                known = self._parts.journal.get(job_id)
                if known is None or not known.stage.holds_claim:
                    task.cancel()
        log.info("worker_drains", jobs=sorted(self._running))
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _fill_slots(self) -> bool:
        """Start what there is to do. True where nothing is left that could be started. May be cut off.

        Raises `Unavailable`: the registry is away, or this machine has no room for one more job.
        """
        if not self._is_sound:
            return True
        for waiting in self._waiting():
            if len(self._running) < self._slots:
                self._start(waiting)
        if len(self._running) >= self._slots:
            return False
        if candidates := await self._discovery.look():
            self._caution.require_none()
            self._parts.workspace.require_free(self._parts.disk_free_bytes)
            means_fri = await self._means_fri()
        for job in candidates:
            if len(self._running) >= self._slots:
                return False
            if self._is_wanted(job, means_fri) and await self._discovery.is_still_open(job.id):
                self._start(self._begin(job))
        return self._discovery.has_seen_all

    def _waiting(self) -> list[Attempt]:
        """Attempts of an earlier run, those with a lease first."""
        steps = [a for a in self._parts.journal.unfinished() if a.stage in pipeline.STEPS]
        waiting = [attempt for attempt in steps if attempt.job_id not in self._running]
        return sorted(waiting, key=lambda attempt: not attempt.stage.holds_claim)

    async def _means_fri(self) -> int:
        registry = self._parts.registry
        funds = await registry.funds(registry.account)
        return funds.credit_fri + funds.wallet_fri

    def _is_wanted(self, job: Job, means_fri: int) -> bool:
        """Whether its asset is not known to fail, and its bond within our means."""
        asset_cid = new_attempt(job, at=0).asset_cid
        if self._parts.journal.poison(asset_cid) >= POISON_FAILURES:
            log.info("job_left", job_id=job.id, reason="its asset has failed here before")
            self._settled.add(job.id)
            return False
        if job.terms.bond_fri > means_fri:
            self._tell_poor(job)
            return False
        return True

    def _tell_poor(self, job: Job) -> None:
        if not self._told_poor:
            log.warning(
                "no_money_for_bond",
                job_id=job.id,
                bond=format_strk(job.terms.bond_fri),
                remedy="send the account some STRK",
            )
        self._told_poor = True

    def _may_try(self, job_id: int) -> bool:
        return job_id not in self._settled

    def _begin(self, job: Job) -> Attempt:
        """Note a new attempt, or begin a lost race anew."""
        journal, attempt = self._parts.journal, new_attempt(job, at=self._parts.clock())
        if (before := journal.get(job.id)) is None:
            journal.add(attempt)
        else:
            journal.move(before, attempt)
        return attempt

    def _start(self, attempt: Attempt) -> None:
        job_id = attempt.job_id
        self._settled.add(job_id)
        task = asyncio.create_task(self._serve(job_id), name=f"job-{job_id}")
        self._running[job_id] = task
        task.add_done_callback(lambda _: self._running.pop(job_id, None))

    async def _serve(self, job_id: int) -> None:
        """Take one job to SUBMITTED or an end."""
        with structlog.contextvars.bound_contextvars(job_id=job_id):
            try:
                after = await patiently(lambda: self._go_on(job_id))
                self._caution.note(after)
                if after.stage.is_end:
                    self._note_poison(after)
                    await patiently(lambda: clean_up(after, self._parts))
                if _was_too_slow(after):
                    self._settled.discard(job_id)
            except Exception:  # the last resort for bugs: the worker must not die of one job
                self._is_sound = False
                log.exception(
                    "bug", remedy="the worker takes no new jobs; please report this, and restart it"
                )

    async def _go_on(self, job_id: int) -> Attempt:
        attempt = self._parts.journal.get(job_id)
        if attempt is None:
            raise RuntimeError("an attempt that is served is in the journal")
        return await pipeline.run(attempt, self._parts)

    def _note_poison(self, attempt: Attempt) -> None:
        failed = attempt.stage in (Stage.REFUSED, Stage.RELEASED)
        if failed and attempt.code is not None and attempt.code not in NOT_THE_BYTES:
            self._parts.journal.remember_poison(attempt.asset_cid, attempt.code)

    async def _watch(self) -> None:
        while True:
            try:
                await patiently(lambda: watch_once(self._parts, self._withdrawal))
            except Exception:  # as above
                self._is_sound = False
                log.exception("bug", remedy="pay is not watched any more; please report this, and restart")
                return
            await asyncio.sleep(self._poll_seconds)


def _was_too_slow(attempt: Attempt) -> bool:
    """Whether it was lost before a claim; if who was faster fails, the job is as good as new to us."""
    return attempt.stage is Stage.LOST and Stage.CLAIMED not in attempt.reached
