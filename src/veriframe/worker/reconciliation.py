"""Reconciles the journal of one job with the registry: if they differ, the registry wins."""

from __future__ import annotations

from dataclasses import replace

import structlog

from veriframe.errors import Code, JobCancelled, JobLost
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.attempt.reconciliation import burned_fri, released_fri, stage_by_registry
from veriframe.model.content.cid import canonical_or_same
from veriframe.model.registry.job import NOBODY, Job, JobState
from veriframe.worker.context import WorkerContext

log = structlog.get_logger()

FASTER = "Another worker was faster."
RENUMBERED = "A reorganisation put another job at this number."


async def reconcile(job: Job, context: WorkerContext, now: int) -> None:
    """Brings our attempt on a job, if there is or should be one, to the stage that the registry shows.

    `now` is in chain seconds. Raises `HostUnavailable` if the journal cannot be written.
    """
    account, attempts, at = context.registry.account, context.attempts, context.clock()
    attempt = attempts.of(job.id)
    if attempt is not None and not is_same(attempt, job):
        await _end_renumbered(attempt, context)
        attempt = None
    if attempt is None:
        if job.worker != account or job.state.is_final or job.is_lapsed(now):
            return
        attempt = await attempts.start(new_attempt(job, at=at))
    stage = stage_by_registry(attempt, job, account, now)
    if stage is attempt.stage:
        return
    log.warning("reconciled", job_id=job.id, journal=attempt.stage, registry=job.state, stage=stage)
    lost_fri = 0
    if stage is Stage.LOST:
        lost_fri = burned_fri(attempt, job, account, now)
    elif stage is Stage.RELEASED:
        lost_fri = released_fri(attempt, job, now, at)
    after = _at(stage, attempt, job, at)
    if stage is Stage.LOST and another_was_faster(job, context):
        after = replace(after, detail=FASTER)
    await attempts.record(attempt, replace(after, lost_fri=lost_fri))


def is_same(attempt: Attempt, job: Job) -> bool:
    """Whether an attempt is about this job: a reorganisation may have put another job at its number."""
    is_order = attempt.order_id in (0, job.order.id) and attempt.creator in (NOBODY, job.order.creator)
    return is_order and attempt.asset_cid == canonical_asset(job)


def new_attempt(job: Job, *, at: float) -> Attempt:
    """Returns a new attempt. The asset's CID is normalised if it is valid."""
    return Attempt(
        job_id=job.id,
        asset_cid=canonical_asset(job),
        reward_fri=job.terms.reward_fri,
        creator=job.order.creator,
        order_id=job.order.id,
        part=job.part,
        bond_fri=job.terms.bond_fri,
        reached={Stage.SEEN: at},
    )


def canonical_asset(job: Job) -> str:
    """Returns the normalised CID of a job's asset, so that the same bytes have the same key."""
    return canonical_or_same(job.order.asset_cid)


async def _end_renumbered(attempt: Attempt, context: WorkerContext) -> None:
    """Ends an attempt on a job that no longer exists; the job at its number may be tried."""
    if attempt.stage.is_end:
        return
    log.warning("reconciled", job_id=attempt.job_id, journal=attempt.stage, registry="another job")
    at = context.clock()
    after = replace(
        attempt,
        stage=Stage.LOST,
        code=Code.LOST,
        detail=RENUMBERED,
        reached={**attempt.reached, Stage.LOST: at},
    )
    await context.attempts.record(attempt, after)


def _at(stage: Stage, attempt: Attempt, job: Job, at: float) -> Attempt:
    # Not `Attempt.to`: the order of stages is a rule for our own steps, and the registry overrides it.
    after = replace(
        attempt,
        stage=stage,
        result_cid=job.result_cid if stage is Stage.SUBMITTED else attempt.result_cid,
        due_at=job.lease_end if stage.holds_claim else 0,
        reached={**attempt.reached, stage: at},
    )
    if stage is Stage.LOST:
        held = attempt.stage.holds_claim or attempt.stage is Stage.SUBMITTED
        error = JobLost("The registry does not show our claim.") if held else no_longer_open(job)
        return replace(after, code=error.code, detail=str(error))
    goes_on = not stage.is_end and stage is not Stage.FAILED
    return replace(after, code=None, detail="") if goes_on else after


def no_longer_open(job: Job) -> JobLost:
    """Returns why the job is not open: claimed by another worker, cancelled, or past its deadline."""
    if job.state is JobState.REFUNDED:
        return JobCancelled("Its creator cancelled the job.")
    return JobLost("The job is no longer open." if job.state is JobState.OPEN else FASTER)


def why_work_ends(job: Job, context: WorkerContext) -> str:
    """Returns why the work on a job that is lost ends now, as one sentence."""
    return FASTER if another_was_faster(job, context) else "Its work ends now."


def another_was_faster(job: Job, context: WorkerContext) -> bool:
    """Whether another worker has submitted a result of a job at a registry without claims."""
    is_over = job.state not in (JobState.OPEN, JobState.REFUNDED)
    return is_over and not context.registry.has_claims and job.worker != context.registry.account
