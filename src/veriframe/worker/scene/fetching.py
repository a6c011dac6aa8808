"""Fetching the scene of a job, for as long as the job can still be claimed."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from veriframe.assets import Asset, read_asset
from veriframe.errors import Code, HostUnavailable, JobRejected, StoreUnavailable
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.content.folder import FolderLimits
from veriframe.model.quantities import format_span
from veriframe.ports.store import FetchLimits, OnTransfer, Transfer, ignore_transfer
from veriframe.threads import run_uninterrupted
from veriframe.worker.context import WorkerContext
from veriframe.worker.job_run import JobRun
from veriframe.worker.reconciliation import no_longer_open
from veriframe.worker.shared.throughput import Throughput

LAST_TRY_SECONDS = 60.0


async def fetch_asset_in_time(attempt: Attempt, run: JobRun) -> Asset:
    """Returns the asset; fetches it within fetch_seconds of the attempt's stage, before a claim.

    Raises `JobRejected`, `JobLost` if the job is gone meanwhile, `StoreUnavailable`, `HostUnavailable`.
    """
    context = run.context
    end = attempt.reached.get(attempt.stage, context.clock()) + context.policy.fetch_seconds
    # After a restart, a fetch that is nearly complete gets one more try.
    left = max(end - context.clock(), min(LAST_TRY_SECONDS, context.policy.fetch_seconds))
    throughput = Throughput(
        context.policy.fetch_seconds, context.monotonic, partial(context.listener.on_wait, attempt.job_id)
    )
    try:
        async with asyncio.timeout(left):
            with context.scenes.awaited(throughput):
                return await throughput.enforce(fetch_asset(attempt, context, throughput.on_transfer))
    except (StoreUnavailable, HostUnavailable, TimeoutError) as error:
        # Waited for only while the job can still be claimed, and others need not wait for it.
        await require_open(attempt, run)
        # A problem of this machine says nothing about the scene.
        if isinstance(error, HostUnavailable):
            raise
        if isinstance(error, StoreUnavailable) and context.clock() < end:
            raise
        # Nor does a store that is unavailable.
        await context.store.ready()
        raise JobRejected(
            Code.NOT_FOUND,
            f"The scene did not arrive within fetch_seconds ({format_span(context.policy.fetch_seconds)})."
            f"{f' {error}' if str(error) else ''}",
        ) from error


async def fetch_asset(
    attempt: Attempt, context: WorkerContext, on_progress: OnTransfer = ignore_transfer
) -> Asset:
    """Returns the asset; fetches it if it is missing, however long that takes.

    Jobs of one asset share its fetch. Raises `JobRejected`, `StoreUnavailable`, `HostUnavailable`.
    """
    asset_cid = attempt.asset_cid
    try:
        path = await run_uninterrupted(context.workspace.find, asset_cid)
    except ValueError:
        raise JobRejected(Code.BAD_CID, "The job's asset is not a CID.") from None
    if path is None:
        path = await context.scenes.fetching.run(asset_cid, lambda: _fetch(attempt, context, on_progress))
    return await run_uninterrupted(read_asset, asset_cid, path)


async def _fetch(attempt: Attempt, context: WorkerContext, on_progress: OnTransfer) -> Path:
    asset_cid, workspace = attempt.asset_cid, context.workspace
    in_use = [a.asset_cid for a in context.attempts.live() if a.stage not in (Stage.SEEN, Stage.SUBMITTED)]
    context.scenes.are_too_large = not await run_uninterrupted(workspace.make_room, in_use)

    def on_transfer(transfer: Transfer) -> None:
        context.listener.on_transfer(attempt.job_id, "scene", transfer)
        on_progress(transfer)

    limits = FetchLimits(
        file_bytes=context.scene_limits.file_bytes,
        folder=FolderLimits(size_bytes=context.scene_limits.bundle_bytes),
    )
    target = await run_uninterrupted(workspace.arriving, asset_cid)
    await context.store.fetch(asset_cid, target, limits, on_transfer)
    return await run_uninterrupted(workspace.take_in, asset_cid)


async def require_open(attempt: Attempt, run: JobRun) -> None:
    """Raises `JobLost` if the job can no longer be claimed."""
    job, now = await run.read(attempt)
    if not job.is_open(now):
        raise no_longer_open(job)
