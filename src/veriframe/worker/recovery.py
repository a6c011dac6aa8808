"""After a restart: reconciles unfinished attempts with the registry, removes what earlier runs left."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import structlog

from veriframe.errors import SettingsError, StoreUnavailable
from veriframe.model.registry.job import Job
from veriframe.worker.context import WorkerContext
from veriframe.worker.reconciliation import reconcile

log = structlog.get_logger()


async def recover(context: WorkerContext) -> None:
    """Reconciles the journal's unfinished attempts with the registry first: their leases are running.

    All other jobs are read later (`restore_attempts`). May be interrupted and repeated. Raises `Unavailable`,
    and `SettingsError` if the journal belongs to another registry.
    """
    registry = context.registry
    identity = await registry.identity()
    if (owner := context.journal.belongs_to(identity)) != identity:
        raise SettingsError(
            f"The journal of this account belongs to the registry {owner}, not to this one ({identity}). "
            "Set its registry again, move the journal away, or use another --account."
        )
    ids = sorted(attempt.job_id for attempt in context.journal.unfinished())
    while ids:
        first = ids[0]
        snapshot = await registry.snapshot(first, registry.jobs_at_once)
        shown = {job.id: job for job in snapshot.jobs}
        end = first + registry.jobs_at_once
        for job_id in (job_id for job_id in ids if job_id < end and job_id in shown):
            reconcile(shown[job_id], context, snapshot.head.time)
        ids = [job_id for job_id in ids if job_id >= end]


def restore_attempts(jobs: Sequence[Job], context: WorkerContext, now: int) -> None:
    """Restores claims and submissions that the journal has lost, as after a restore from a backup."""
    for job in jobs:
        if job.worker == context.registry.account or context.journal.get(job.id) is not None:
            reconcile(job, context, now)


async def remove_leftovers(context: WorkerContext) -> None:
    """Removes what earlier runs left behind.

    Call it after all jobs were read: only then it is known what is owed.
    """
    attempts = context.journal.unfinished()
    unfinished = [attempt.job_id for attempt in attempts]
    context.workspace.sweep(unfinished, [attempt.asset_cid for attempt in attempts])
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
