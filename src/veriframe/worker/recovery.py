"""After a restart: reconciles unfinished attempts with the registry, removes what earlier runs left."""

from __future__ import annotations

from collections.abc import Collection

import structlog

from veriframe.errors import SettingsError, StoreUnavailable
from veriframe.threads import run_uninterrupted
from veriframe.worker.context import WorkerContext
from veriframe.worker.reconciliation import reconcile

log = structlog.get_logger()


async def recover(context: WorkerContext) -> None:
    """Reconciles the journal's unfinished attempts with the registry first: their leases are running.

    May be interrupted and repeated. Raises `Unavailable`, and `SettingsError` if the journal belongs to
    another registry.
    """
    registry = context.registry
    identity = await registry.identity()
    if (owner := await context.journal.belongs_to(identity)) != identity:
        raise SettingsError(
            f"The journal of this account belongs to the registry {owner}, not to this one ({identity}). "
            "Set its registry again, move the journal away, or use another --account."
        )
    ids = sorted(attempt.job_id for attempt in context.attempts.live())
    while ids:
        first = ids[0]
        snapshot = await registry.snapshot(first, registry.jobs_at_once)
        shown = {job.id: job for job in snapshot.jobs}
        end = first + registry.jobs_at_once
        for job_id in (job_id for job_id in ids if job_id < end and job_id in shown):
            await reconcile(shown[job_id], context, snapshot.head.time)
        ids = [job_id for job_id in ids if job_id >= end]


async def remove_leftovers(context: WorkerContext) -> None:
    """Removes what earlier runs left behind.

    Call it after all jobs were read: only then it is known what is owed.
    """
    attempts = context.attempts.live()
    unfinished = [attempt.job_id for attempt in attempts]
    await run_uninterrupted(context.workspace.sweep, unfinished, [attempt.asset_cid for attempt in attempts])
    try:
        await _release_pins(context, unfinished)
    except StoreUnavailable as error:
        # Leases are running; pins can wait for the next start.
        log.warning("pins_not_released", reason=str(error))


async def _release_pins(context: WorkerContext, unfinished: Collection[int]) -> None:
    names = await context.pin_names()
    kept = {names.result(job_id) for job_id in unfinished}
    for pin in await context.store.pins(names.results):
        if names.is_result(pin.name) and pin.name not in kept:
            await context.store.unpin(pin)
