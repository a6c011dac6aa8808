"""The beginning of every run: where the journal and the registry differ, the registry wins."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import structlog

from veriframe.errors import SettingsError, StoreUnavailable
from veriframe.model.registry.job import Job
from veriframe.worker.context import WorkerContext
from veriframe.worker.reconciliation import reconcile

log = structlog.get_logger()


async def recover(context: WorkerContext) -> None:
    """Bring what the journal tells of unfinished attempts in line with the registry: leases run.

    All other jobs are read by and by (`take_in`). May be cut off and repeated. Raises `Unavailable`, and
    `SettingsError` where the journal is another registry's.
    """
    registry = context.registry
    identity = await registry.identity()
    if (noted := context.journal.belongs_to(identity)) != identity:
        raise SettingsError(
            f"The journal of this account belongs to another registry ({noted}) than this one ({identity}). "
            "Put its registry back, or move the journal away, or use another --account."
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


def take_in(jobs: Sequence[Job], context: WorkerContext, now: int) -> None:
    """Take claims and submissions on again that the journal has lost (it came back from a backup)."""
    for job in jobs:
        if job.worker == context.registry.account or context.journal.get(job.id) is not None:
            reconcile(job, context, now)


async def clear_up(context: WorkerContext) -> None:
    """Clear away what earlier runs left behind. Only after all jobs were read: what is owed is known then."""
    attempts = context.journal.unfinished()
    unfinished = [attempt.job_id for attempt in attempts]
    context.workspace.sweep(unfinished, [attempt.asset_cid for attempt in attempts])
    try:
        await _release_pins(context, unfinished)
    except StoreUnavailable as error:
        # Leases run; pins can wait for the next start.
        log.warning("pins_not_released", reason=str(error))


async def _release_pins(context: WorkerContext, unfinished: Collection[int]) -> None:
    names = await context.pin_names()
    kept = {names.result(job_id) for job_id in unfinished}
    for pin in await context.store.pins():
        if names.is_result(pin.name) and pin.name not in kept:
            await context.store.unpin(pin)
