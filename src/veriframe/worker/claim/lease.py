"""Our claim as the registry shows it, and how much time its lease leaves for work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from veriframe.errors import Code, JobLost, MoveRefused, RenderFailed, StoreUnavailable, Unavailable
from veriframe.model.attempt.attempt import Attempt
from veriframe.model.attempt.lease import Lease, lease_of
from veriframe.model.attempt.reconciliation import burned_fri
from veriframe.model.quantities import format_span
from veriframe.model.registry.job import Job, JobState
from veriframe.model.registry.ledger import Rule
from veriframe.retry import LONGEST_WAIT_SECONDS
from veriframe.worker.context import WorkerContext
from veriframe.worker.job_run import JobRun
from veriframe.worker.reconciliation import FASTER, another_was_faster

log = structlog.get_logger()


def is_our_claim(job: Job, now: int, context: WorkerContext) -> bool:
    """Whether the job is ours and its lease is running."""
    ours = job.state is JobState.CLAIMED and job.worker == context.registry.account
    return ours and not job.is_lapsed(now)


async def require_claim(
    attempt: Attempt, run: JobRun, *, max_age_seconds: float = 0.0
) -> tuple[Attempt, Lease]:
    """Returns the attempt and our current lease, with one second left at least.

    Raises `JobLost` without a claim.
    """
    context = run.context
    job, now = await run.read(attempt, max_age_seconds=max_age_seconds)
    if job.state is JobState.OPEN and job.is_open(now):
        attempt = await _claim_again(attempt, context)
        job, now = await run.read(attempt)
    if not is_our_claim(job, now, context):
        is_race = another_was_faster(job, context)
        sentence = FASTER if is_race else "The registry no longer shows our claim, or its lease is over."
        raise lost(sentence, attempt, job, now, context)
    policy = context.policy_for(attempt)
    kept = policy.reserve(attempt.task)
    return attempt, lease_of(job, now, kept, policy.fee_share(attempt.task))


def lost(sentence: str, attempt: Attempt, job: Job, now: int, context: WorkerContext) -> JobLost:
    """Returns the loss of a claim, with the part of the bond that is burned."""
    return JobLost(sentence, lost_fri=burned_fri(attempt, job, context.registry.account, now))


async def lost_at(move_refused: MoveRefused, sentence: str, attempt: Attempt, run: JobRun) -> JobLost:
    """Returns the loss of a claim that a refused move has revealed, with its cost."""
    job, now = await run.read(attempt)
    told = FASTER if another_was_faster(job, run.context) else f"{sentence}: {move_refused}"
    error = lost(told, attempt, job, now, run.context)
    error.fees_fri = move_refused.fee_fri
    return error


@asynccontextmanager
async def in_time(seconds: float, code: Code, what: str) -> AsyncIterator[None]:
    """Cancels work that takes longer.

    Raises `RenderFailed` with this code: `what` did not fit into the lease.
    """
    if seconds <= 0:
        raise RenderFailed(Code.LEASE, f"The lease left no time for {what}.")
    try:
        async with asyncio.timeout(seconds) as limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise RenderFailed(
            code, f"The lease left {format_span(round(seconds))} for {what}, which was not enough."
        ) from None


async def wait_or_give_up(attempt: Attempt, error: Unavailable, run: JobRun) -> RenderFailed:
    """Returns why a claim is released instead of waiting longer; raises `error` while there is time.

    There is no time if the longest wait would leave too little of the lease, or make the release too
    expensive.
    """
    _, lease = await require_claim(attempt, run)
    if lease.waiting_seconds > LONGEST_WAIT_SECONDS:
        raise error
    code = Code.UPLOAD if isinstance(error, StoreUnavailable) else Code.LEASE
    return RenderFailed(code, f"The lease leaves no more time to wait. {error}")


async def _claim_again(attempt: Attempt, context: WorkerContext) -> Attempt:
    """Claims again. Only a reorganisation opens a job under our lease, unless the node lags behind."""
    log.warning("claim_again", reason="the registry shows the job as open, although it was claimed")
    try:
        return attempt.paying(await context.registry.claim(attempt.job_id))
    except MoveRefused as error:
        # Only an account whose claim lapsed or was released is barred: the bond was burned.
        lost_fri = attempt.bond_fri if error.rule == Rule.BARRED.value else 0
        raise JobLost(
            f"The registry lost our claim, and refuses a new one: {error}",
            fees_fri=error.fee_fri,
            lost_fri=lost_fri,
        ) from error
