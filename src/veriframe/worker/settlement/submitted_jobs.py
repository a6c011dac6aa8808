"""Watches submitted results: notes their pay, finalizes jobs whose review is over, and releases pins."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from veriframe.errors import MoveRefused
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.attempt.reconciliation import stage_by_registry
from veriframe.model.registry.job import Address, Job, JobState, format_address, format_strk
from veriframe.ports.registry import Snapshot
from veriframe.ports.store import Pin
from veriframe.threads import run_uninterrupted
from veriframe.worker.claim.lease import lost
from veriframe.worker.context import WorkerContext
from veriframe.worker.reconciliation import reconcile

log = structlog.get_logger()

AGAIN_SECONDS = 60
"""The wait, in chain seconds, after the registry refused to finalize a job."""

LAG_BLOCKS = 10
"""How far behind a node may be that does not show our submission yet."""

_ENDS = {JobState.PAID: Stage.PAID, JobState.REFUNDED: Stage.REFUNDED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """Automatic withdrawal of credit: everything above `keep_fri` goes to `recipient`."""

    keep_fri: int
    recipient: Address


class SubmittedJobs:
    """The jobs with our results: which of them to poll, and what to do when they are due."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._due: dict[int, int] = {}
        self._shown_at: dict[int, int] = {}
        self._revived_at: dict[int, int] = {}
        self._now = 0

    def wanted(self) -> Collection[int]:
        """Returns the jobs to poll now: not seen since the start, decided by time, or in doubt."""
        submitted = [job_id for job_id in self._submitted() if self._due.get(job_id, 0) <= self._now]
        return [*submitted, *self._revived_at]

    def due_in_seconds(self) -> int | None:
        """Returns how long until time decides the next one; None if there is none."""
        return max(0, min(self._due.values()) - self._now) if self._due else None

    def ready(self, snapshot: Snapshot) -> Sequence[Job]:
        """Returns the jobs in `snapshot` that have ended, that anyone may end, or that lost our result."""
        self._now = snapshot.head.time
        submitted = self._submitted()
        for kept in (self._due, self._shown_at):
            for gone in kept.keys() - submitted.keys():
                del kept[gone]
        found: list[Job] = []
        for job in snapshot.jobs:
            if (attempt := submitted.get(job.id)) is None:
                continue
            is_deferred = self._due.get(job.id, 0) > self._now
            due = _is_due(job, self._now) and not is_deferred
            if job.state.is_final or due or self._is_undone(attempt, job, snapshot.head.number):
                found.append(job)
            else:
                self._due[job.id] = max(_end(job), self._due.get(job.id, 0))
        return found

    def revived(self, snapshot: Snapshot) -> Sequence[Job]:
        """Returns the jobs in `snapshot` with a running claim of ours although our attempt has ended.

        A reorganisation restored the claim, and its lease is running. Trusted only after some more blocks: a
        node that lags behind has not seen the end yet.
        """
        found: list[Job] = []
        for job in snapshot.jobs:
            if not self._is_unserved(job, snapshot.head.time):
                self._revived_at.pop(job.id, None)
            elif snapshot.head.number >= self._revived_at.setdefault(
                job.id, snapshot.head.number + LAG_BLOCKS
            ):
                del self._revived_at[job.id]
                found.append(job)
        return found

    def _is_unserved(self, job: Job, now: int) -> bool:
        ours = job.state is JobState.CLAIMED and job.worker == self._context.registry.account
        if not ours or job.is_lapsed(now):
            return False
        attempt = self._context.journal.get(job.id)
        return attempt is not None and attempt.stage.is_end

    def _is_undone(self, attempt: Attempt, job: Job, block: int) -> bool:
        """Whether a reorganisation removed our submission.

        A node that lags behind looks the same at first.
        """
        if stage_by_registry(attempt, job, self._context.registry.account, self._now) is attempt.stage:
            self._shown_at[job.id] = block
            return False
        return block >= self._shown_at.setdefault(job.id, block + LAG_BLOCKS)

    async def settle(self, job: Job) -> None:
        """Finalizes a job if that is ours to do, and notes the end. Raises `Unavailable`.

        If another account ended it meanwhile, the next poll shows how. A lost submission is made again.
        """
        context, attempt = self._context, self._submitted().get(job.id)
        if attempt is None:
            return
        if not (job.state.is_final or _is_due(job, self._now)):
            reconcile(job, context, self._now)
            return
        if not job.state.is_final:
            try:
                attempt = _paying(attempt, await context.registry.finalize(job.id), context)
            except MoveRefused as error:
                _paying(attempt, error.fee_fri, context)
                self._due[job.id] = self._now + AGAIN_SECONDS
                log.info("finalize_refused", job_id=job.id, reason=str(error))
                return
            shown = (await context.registry.snapshot(job.id, 1)).jobs
            job = shown[0] if shown else job
        if job.state.is_final:
            await _end_attempt(attempt, job, context, self._now)

    def _submitted(self) -> Mapping[int, Attempt]:
        unfinished = self._context.journal.unfinished()
        return {attempt.job_id: attempt for attempt in unfinished if attempt.stage is Stage.SUBMITTED}


def _paying(attempt: Attempt, fee_fri: int, context: WorkerContext) -> Attempt:
    """Returns the attempt after one more move; its fee is noted at once, since the next step may fail."""
    if not fee_fri:
        return attempt
    after = attempt.paying(fee_fri)
    context.journal.move(attempt, after)
    return after


async def _end_attempt(attempt: Attempt, job: Job, context: WorkerContext, now: int) -> None:
    if job.worker != context.registry.account:
        error = lost("The registry shows another worker's result.", attempt, job, now, context)
        after = attempt.ended_by(error, at=context.clock())
    else:
        after = attempt.to(_ENDS[job.state], at=context.clock())
    if after.stage is Stage.REFUNDED:
        after = replace(after, lost_fri=job.terms.bond_fri)
    context.journal.move(attempt, after)
    context.on_stage(attempt, after)
    await clean_up(after, context)


def _is_due(job: Job, now: int) -> bool:
    """Whether time alone has decided, so that anyone may end the job."""
    return job.state in (JobState.SUBMITTED, JobState.DISPUTED) and now >= _end(job)


def _end(job: Job) -> int:
    """Returns when time decides a job that has a result, in chain seconds."""
    return job.arbitration_end if job.state is JobState.DISPUTED else job.review_end


async def clean_up(attempt: Attempt, context: WorkerContext) -> None:
    """Cleans up after an end: removes the job's folder, and releases our pin of the result."""
    await run_uninterrupted(context.workspace.forget, attempt.job_id)
    if attempt.asset_cid not in {unfinished.asset_cid for unfinished in context.journal.unfinished()}:
        await run_uninterrupted(context.workspace.forget_fetch, attempt.asset_cid)
    if attempt.result_cid:
        name = (await context.pin_names()).result(attempt.job_id)
        await context.store.unpin(Pin(cid=attempt.result_cid, name=name))


async def withdraw(context: WorkerContext, withdrawal: Withdrawal) -> None:
    """Sends the credit above the limit to the recipient. Raises `Unavailable`."""
    registry = context.registry
    surplus = (await registry.funds(registry.account)).credit_fri - withdrawal.keep_fri
    if surplus <= 0:
        return
    try:
        await registry.withdraw(surplus, withdrawal.recipient)
    except MoveRefused as error:
        # A claim or the user spent the credit meanwhile; it is counted again after the next pay.
        log.info("withdrawal_refused", reason=str(error))
        return
    log.info("withdrawn", amount=format_strk(surplus), to=format_address(withdrawal.recipient))
