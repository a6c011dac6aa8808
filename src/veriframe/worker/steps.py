"""The steps of the pipeline: each does one thing and returns the next attempt.

They raise a `JobError` if the job ends, `Unavailable` if it can continue later. None records an attempt.
"""

from __future__ import annotations

import math
from dataclasses import replace

import structlog

from veriframe.errors import (
    Code,
    HostUnavailable,
    JobLost,
    JobRejected,
    MoveRefused,
)
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.attempt.reconciliation import released_fri
from veriframe.model.registry.escrow import release_fee_fri
from veriframe.model.registry.job import Job, JobState
from veriframe.model.registry.ledger import Rule
from veriframe.threads import run_uninterrupted
from veriframe.worker.claim.lease import in_time, is_our_claim, lost, lost_at, require_claim
from veriframe.worker.context import WorkerContext
from veriframe.worker.frames.rendering import render_all
from veriframe.worker.frames.result import gather_result, keep_result
from veriframe.worker.frames.spool import Spool
from veriframe.worker.frames.tile_check import check_tile
from veriframe.worker.job_run import FRESH_SECONDS, JobRun
from veriframe.worker.reconciliation import FASTER, no_longer_open
from veriframe.worker.scene.check import inspected
from veriframe.worker.scene.fetching import fetch_asset, fetch_asset_in_time, require_open
from veriframe.worker.shared.lanes import Lane

log = structlog.get_logger()


async def fetch(attempt: Attempt, run: JobRun) -> Attempt:
    """SEEN → FETCHED: the scene is on this machine, its bytes checked against its CID."""
    await fetch_asset_in_time(attempt, run)
    return attempt.to(Stage.FETCHED, at=run.context.clock())


async def check(attempt: Attempt, run: JobRun) -> Attempt:
    """FETCHED → CHECKED: the file is a scene that this Blender can and may render. A small one stays open."""
    asset = await fetch_asset_in_time(attempt, run)
    try:
        attempt = await inspected(attempt, asset, run)
    except HostUnavailable:
        # Waited for only while the job can still be claimed.
        await require_open(attempt, run)
        raise
    await run.keep_session()
    return attempt.to(Stage.CHECKED, at=run.context.clock())


async def claim(attempt: Attempt, run: JobRun) -> Attempt:
    """CHECKED → CLAIMED: the bond is in escrow, and the lease is running and long enough for this task."""
    context = run.context
    await context.approve(attempt)
    if attempt.task is None and not is_our_claim(*await run.read(attempt), context):
        attempt = await inspected(attempt, await fetch_asset_in_time(attempt, run), run)
    # Frames that are slow to decode would pile up, and each decoder may take a gigabyte.
    async with context.lanes.within(Lane.DECODE):
        pass
    run.begin_claim(attempt.job_id)
    job, now = await run.read(attempt)
    if not is_our_claim(job, now, context):
        if not job.is_open(now):
            raise no_longer_open(job)
        if attempt.order_id and (job.terms.reward_fri, job.terms.bond_fri) != _stake(attempt):
            raise JobLost("The registry shows another reward or bond than when the job was started.")
        policy = context.policy_for(attempt)
        if objection := policy.lease_objection(job, attempt.task):
            raise JobRejected(Code.LEASE, f"The job is not claimed, since {objection}.")
        pace = context.speeds.pace(attempt.asset_cid)
        if objection := policy.objection(job, now, attempt.task, pace):
            raise JobLost(f"The job is not claimed, since {objection}.")
        await run_uninterrupted(context.workspace.require_free, context.disk_free_bytes)
        async with context.room.reserved(attempt, context.store, context.attempts):
            attempt = attempt.paying(await _claim(attempt, job, run))
    # A new claim's lease ends later by the time that the move took.
    due_at = job.lease_end if is_our_claim(job, now, context) else now + job.terms.lease_seconds
    return replace(attempt.to(Stage.CLAIMED, at=context.clock()), due_at=due_at)


async def render(attempt: Attempt, run: JobRun) -> Attempt:
    """CLAIMED → RENDERED: every frame is on this disk, and most are validated.

    A crash is tried once more, with what is still missing.
    """
    context = run.context
    attempt, lease = await require_claim(attempt, run)
    async with in_time(lease.render_until - lease.now, Code.LEASE, "a render"):
        asset = await fetch_asset(attempt, context)
        attempt = await inspected(attempt, asset, run)
    attempt = await render_all(attempt, asset, lease, run)
    return attempt.to(Stage.RENDERED, at=context.clock())


async def validate(attempt: Attempt, run: JobRun) -> Attempt:
    """RENDERED → VALIDATED: the frames decode in a clean sandbox and contain nothing but pixels."""
    context = run.context
    # The lease as it was before the render, less the time since: polls end the work if it is lost.
    attempt, lease = await require_claim(attempt, run, max_age_seconds=math.inf)
    until = context.monotonic() + lease.decoding_seconds
    async with in_time(lease.decoding_seconds, Code.LEASE, "decoding"):
        asset = await fetch_asset(attempt, context)
        attempt = await inspected(attempt, asset, run)
    assert attempt.task is not None
    await run.close_session()
    await Spool(attempt, attempt.task, context).validate(asset, until)
    await check_tile(attempt, asset, until, context)
    if attempt.is_of_bundle:
        await gather_result(attempt, context)
    return attempt.to(Stage.VALIDATED, at=context.clock())


async def store(attempt: Attempt, run: JobRun) -> Attempt:
    """VALIDATED → STORED: the result is in the store, pinned, and in time for the submission."""
    context = run.context
    # Only now that VALIDATED is noted: a restart before that validates the frames again.
    await run_uninterrupted(context.workspace.forget_rendered, attempt.job_id)
    attempt, lease = await require_claim(attempt, run, max_age_seconds=FRESH_SECONDS)
    async with in_time(lease.upload_seconds, Code.UPLOAD, "storing the picture"):
        result_cid, result_bytes = await keep_result(attempt, context)
    after = attempt.to(Stage.STORED, at=context.clock(), result_cid=result_cid)
    return replace(after, result_bytes=result_bytes)


async def submit(attempt: Attempt, run: JobRun) -> Attempt:
    """STORED → SUBMITTED: the registry has the result's CID from us."""
    context = run.context
    job, _ = await run.read(attempt, max_age_seconds=FRESH_SECONDS)
    if not _is_submitted(attempt, job, context):
        try:
            attempt, _ = await require_claim(attempt, run, max_age_seconds=FRESH_SECONDS)
            attempt = attempt.paying(await context.registry.submit_result(attempt.job_id, attempt.result_cid))
        except JobLost as error:
            if not _is_submitted(attempt, (await run.read(attempt))[0], context):
                raise
            attempt = attempt.paying(error.fees_fri)
        except MoveRefused as error:
            return await _submit_again(attempt, error, run)
    # The next poll shows when its review ends.
    return replace(attempt.to(Stage.SUBMITTED, at=context.clock()), due_at=0)


async def _submit_again(attempt: Attempt, refused: MoveRefused, run: JobRun) -> Attempt:
    """After a refusal: a reorganisation may have included an earlier submission, or removed our claim."""
    job, now = await run.read(attempt)
    if not (_is_submitted(attempt, job, run.context) or job.is_open(now)):
        raise await lost_at(refused, "The registry refused the result", attempt, run) from refused
    try:
        return (await submit(attempt, run)).paying(refused.fee_fri)
    except JobLost as error:
        error.fees_fri += refused.fee_fri
        raise


async def release(attempt: Attempt, run: JobRun) -> Attempt:
    """FAILED → RELEASED: the claim is released with the reason, or was already."""
    context = run.context
    job, now = await run.read(attempt)
    lost_fri = released_fri(attempt, job, now, context.clock())
    if job.state is not JobState.OPEN:
        if not is_our_claim(job, now, context):
            raise lost("Its lease was over before it was released.", attempt, job, now, context)
        lost_fri = release_fee_fri(job, now)
        try:
            fee_fri = await context.registry.release(attempt.job_id, attempt.code or Code.STOPPED)
        except MoveRefused as error:
            sentence = "The registry refused the release"
            raise await lost_at(error, sentence, attempt, run) from error
        attempt = attempt.paying(fee_fri)
    return replace(attempt.to(Stage.RELEASED, at=context.clock()), lost_fri=lost_fri)


def _stake(attempt: Attempt) -> tuple[int, int]:
    return attempt.reward_fri, attempt.bond_fri


async def _claim(attempt: Attempt, job: Job, run: JobRun) -> int:
    """Makes the claim. Returns its fee."""
    registry = run.context.registry
    try:
        return await registry.claim(job.id)
    except MoveRefused as error:
        job, now = await run.read(attempt)
        if not job.is_open(now) or error.rule == Rule.NOT_OPEN.value:
            # Also if it is open again by now.
            raise JobLost(FASTER, fees_fri=error.fee_fri) from error
        if (await registry.funds(registry.account)).means_fri < job.terms.bond_fri:
            # Lost, not refused: it may be tried again once there is money.
            raise JobLost("The account cannot pay the bond now.", fees_fri=error.fee_fri) from error
        raise JobRejected(
            Code.LOST, f"The registry refuses the claim: {error}", fees_fri=error.fee_fri
        ) from error


def _is_submitted(attempt: Attempt, job: Job, context: WorkerContext) -> bool:
    """Whether the registry already has our result."""
    ours = job.worker == context.registry.account and job.result_cid == attempt.result_cid
    return ours and job.state in (JobState.SUBMITTED, JobState.DISPUTED, JobState.PAID)
