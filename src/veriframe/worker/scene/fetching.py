"""Fetching the scene of a job, for as long as the job can still be claimed."""

from __future__ import annotations

import asyncio
from pathlib import Path

from veriframe.errors import Code, HostUnavailable, JobCancelled, JobLost, JobRejected, StoreUnavailable
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.registry.job import Job, JobState
from veriframe.ports.store import FetchLimits, OnTransfer, Transfer, ignore_transfer
from veriframe.worker.claim.lease import current_job
from veriframe.worker.context import WorkerContext
from veriframe.worker.report import TransferLog
from veriframe.worker.scene.throughput import Throughput

LAST_TRY_SECONDS = 60.0


async def fetch_scene_in_time(attempt: Attempt, context: WorkerContext) -> Path:
    """Returns the path of the scene; fetches it within fetch_seconds of the attempt's stage, before a claim.

    Raises `JobRejected`, `JobLost` if the job is gone meanwhile, `StoreUnavailable`, `HostUnavailable`.
    """
    end = attempt.reached.get(attempt.stage, context.clock()) + context.policy.fetch_seconds
    # After a restart, a fetch that is nearly complete gets one more try.
    left = max(end - context.clock(), min(LAST_TRY_SECONDS, context.policy.fetch_seconds))
    try:
        throughput = Throughput(context.policy.fetch_seconds, context.monotonic)
        async with asyncio.timeout(left):
            return await throughput.enforce(fetch_scene(attempt, context, throughput.on_transfer))
    except (StoreUnavailable, HostUnavailable, TimeoutError) as error:
        # Waited for only while the job can still be claimed, and others need not wait for it.
        await require_open(attempt, context)
        # A problem of this machine says nothing about the scene.
        if isinstance(error, HostUnavailable):
            raise
        if isinstance(error, StoreUnavailable) and context.clock() < end:
            raise
        # Nor does a store that is unavailable.
        await context.store.ready()
        raise JobRejected(
            Code.NOT_FOUND,
            f"The scene did not arrive within fetch_seconds ({context.policy.fetch_seconds:g})."
            f"{f' {error}' if str(error) else ''}",
        ) from error


async def fetch_scene(
    attempt: Attempt, context: WorkerContext, on_progress: OnTransfer = ignore_transfer
) -> Path:
    """Returns the path of the scene; fetches it if it is missing, however long that takes."""
    workspace = context.workspace
    try:
        target = workspace.scene(attempt.asset_cid)
    except ValueError:
        raise JobRejected(Code.BAD_CID, "The job's asset is not a CID.") from None
    if not workspace.use(target):
        done = (Stage.SEEN, Stage.SUBMITTED)
        workspace.make_room([a.asset_cid for a in context.journal.unfinished() if a.stage not in done])
        transfer_log = TransferLog(attempt.job_id, "scene")

        def on_transfer(transfer: Transfer) -> None:
            transfer_log.on_transfer(transfer)
            on_progress(transfer)

        limits = FetchLimits(file_bytes=context.scene_limits.file_bytes)
        await context.store.fetch(attempt.asset_cid, target, limits, on_transfer)
    return target


async def require_open(attempt: Attempt, context: WorkerContext) -> None:
    """Raises `JobLost` if the job can no longer be claimed."""
    job, now = await current_job(attempt, context)
    if not job.is_open(now):
        raise no_longer_open(job)


def no_longer_open(job: Job) -> JobLost:
    """Returns why the job is not open: claimed by another worker, cancelled, or past its deadline."""
    if job.state is JobState.REFUNDED:
        return JobCancelled("Its creator cancelled the job.")
    return JobLost("The job is no longer open.")
