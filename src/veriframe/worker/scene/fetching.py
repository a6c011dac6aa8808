"""The scene of a job: brought to this machine, and waited for only as long as its job can still be had."""

from __future__ import annotations

import asyncio
from pathlib import Path

from veriframe.errors import Code, HostUnavailable, JobCancelled, JobLost, JobRejected, StoreUnavailable
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.registry.job import Job, JobState
from veriframe.ports.store import OnTransfer, Transfer, ignore_transfer
from veriframe.worker.claim.lease import current_job
from veriframe.worker.context import WorkerContext
from veriframe.worker.report import TransferLog
from veriframe.worker.scene.throughput import Throughput

LAST_TRY_SECONDS = 60.0


async def bring_in_time(attempt: Attempt, context: WorkerContext) -> Path:
    """Where the scene lies; brought within fetch_seconds of the attempt's stage. To be used before a claim.

    Raises `JobRejected`, `JobLost` where the job is gone meanwhile, `StoreUnavailable`, `HostUnavailable`.
    """
    end = attempt.reached.get(attempt.stage, context.clock()) + context.policy.fetch_seconds
    # After a restart, what is nearly there has one try more.
    left = max(end - context.clock(), min(LAST_TRY_SECONDS, context.policy.fetch_seconds))
    try:
        throughput = Throughput(context.policy.fetch_seconds, context.monotonic)
        async with asyncio.timeout(left):
            return await throughput.hold(bring(attempt, context, throughput.on_transfer))
    except (StoreUnavailable, HostUnavailable, TimeoutError) as error:
        # Waited for, but only as long as the job can still be had, and as others need not wait for it.
        await require_open(attempt, context)
        # A machine that cannot go on says nothing about the scene.
        if isinstance(error, HostUnavailable):
            raise
        if isinstance(error, StoreUnavailable) and context.clock() < end:
            raise
        # Nor does a store that is away itself.
        await context.store.pins()
        raise JobRejected(
            Code.NOT_FOUND,
            f"The scene did not come within fetch_seconds ({context.policy.fetch_seconds:g})."
            f"{f' {error}' if str(error) else ''}",
        ) from error


async def bring(attempt: Attempt, context: WorkerContext, on_progress: OnTransfer = ignore_transfer) -> Path:
    """Where the scene lies; fetched where it does not (yet, or any more), however long that takes."""
    workspace = context.workspace
    try:
        target = workspace.scene(attempt.asset_cid)
    except ValueError:
        raise JobRejected(Code.BAD_CID, "The job's asset is not a CID.") from None
    if not workspace.use(target):
        done = (Stage.SEEN, Stage.SUBMITTED)
        workspace.make_room([a.asset_cid for a in context.journal.unfinished() if a.stage not in done])
        told = TransferLog(attempt.job_id, "scene")

        def on_transfer(transfer: Transfer) -> None:
            told.on_transfer(transfer)
            on_progress(transfer)

        await context.store.fetch(attempt.asset_cid, target, context.scene_limits.file_bytes, on_transfer)
    return target


async def require_open(attempt: Attempt, context: WorkerContext) -> None:
    """Raise `JobLost` where the job cannot be claimed any more."""
    job, now = await current_job(attempt, context)
    if not job.is_open(now):
        raise no_longer_open(job)


def no_longer_open(job: Job) -> JobLost:
    """Another was faster, or it was cancelled, or its deadline is over."""
    if job.state is JobState.REFUNDED:
        return JobCancelled("Its creator took the job back.")
    return JobLost("The job is not open any more.")
