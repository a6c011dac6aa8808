"""Our claim as the registry shows it, and how long its lease still lets us work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from veriframe.errors import Code, JobLost, MoveRefused, RenderFailed, StoreUnavailable, Unavailable
from veriframe.model.attempt.attempt import Attempt
from veriframe.model.attempt.lease import Lease, lease_of
from veriframe.model.attempt.reconciliation import burned_fri
from veriframe.model.registry.job import Job, JobState
from veriframe.model.registry.ledger import Rule
from veriframe.worker.context import WorkerContext
from veriframe.worker.reconciliation import RENUMBERED, is_same
from veriframe.worker.retry import LONGEST_WAIT_SECONDS

log = structlog.get_logger()


async def current_job(attempt: Attempt, context: WorkerContext) -> tuple[Job, int]:
    """The job as the registry shows it, and the time to judge it by, in chain seconds."""
    seen = await context.registry.snapshot(attempt.job_id, 1)
    for job in seen.jobs:
        if not is_same(attempt, job):
            raise JobLost(RENUMBERED)
        return job, seen.head.time
    raise JobLost("The registry does not know the job any more.")


def is_our_claim(job: Job, now: int, context: WorkerContext) -> bool:
    """Whether we have the job, and its lease runs."""
    ours = job.state is JobState.CLAIMED and job.worker == context.registry.account
    return ours and not job.is_lapsed(now)


async def hold(attempt: Attempt, context: WorkerContext) -> tuple[Attempt, Lease]:
    """The attempt, and our lease now; one second is left of it at least. Raises `JobLost` without a claim."""
    job, now = await current_job(attempt, context)
    if job.state is JobState.OPEN and job.is_open(now):
        attempt = await _claim_again(attempt, context)
        job, now = await current_job(attempt, context)
    if not is_our_claim(job, now, context):
        raise lost(
            "The registry does not show our claim any more, or its lease is over.", attempt, job, now, context
        )
    policy = context.policy
    kept = policy.reserve(attempt.width, attempt.height)
    return attempt, lease_of(job, now, kept, policy.release_fee_share)


def lost(sentence: str, attempt: Attempt, job: Job, now: int, context: WorkerContext) -> JobLost:
    """The loss of a claim, with what is burned of its bond."""
    return JobLost(sentence, lost_fri=burned_fri(attempt, job, context.registry.account, now))


async def lost_at(
    move_refused: MoveRefused, sentence: str, attempt: Attempt, context: WorkerContext
) -> JobLost:
    """The loss of a claim that a refused move has shown, with what that cost."""
    error = lost(f"{sentence}: {move_refused}", attempt, *await current_job(attempt, context), context)
    error.fees_fri = move_refused.fee_fri
    return error


@asynccontextmanager
async def in_time(seconds: float, code: Code, what: str) -> AsyncIterator[None]:
    """Cut what takes longer. Raises `RenderFailed` with this code: `what` had only so long."""
    if seconds <= 0:
        raise RenderFailed(Code.LEASE, f"The lease left no time for {what}.")
    try:
        async with asyncio.timeout(seconds) as limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise RenderFailed(
            code, f"The lease left {seconds:.0f} s for {what}, and that was not enough."
        ) from None


async def wait_or_give_up(attempt: Attempt, error: Unavailable, context: WorkerContext) -> RenderFailed:
    """Why a claim goes back instead of waiting for an outside part; raises `error` while there is time.

    There is none where the longest wait would leave too little of the lease, or make the release too dear.
    """
    _, lease = await hold(attempt, context)
    if lease.waiting_seconds > LONGEST_WAIT_SECONDS:
        raise error
    code = Code.UPLOAD if isinstance(error, StoreUnavailable) else Code.LEASE
    return RenderFailed(code, f"The lease leaves no time to wait any longer. {error}")


async def _claim_again(attempt: Attempt, context: WorkerContext) -> Attempt:
    """Only a reorganisation opens a job under our lease; or it looks so on a node that lags behind."""
    log.warning("claim_again", reason="the registry shows the job open, though it was claimed")
    try:
        return attempt.paying(await context.registry.claim(attempt.job_id))
    except MoveRefused as error:
        # Only who let a claim lapse, or gave it back, is barred: the bond was burned.
        lost_fri = attempt.bond_fri if error.rule == Rule.BARRED.value else 0
        raise JobLost(
            f"The registry took our claim back, and does not give it again: {error}",
            fees_fri=error.fee_fri,
            lost_fri=lost_fri,
        ) from error
