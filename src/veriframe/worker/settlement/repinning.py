"""Results that are owed: pinned until their jobs are over, whatever happens to the store meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from veriframe.errors import JobError, StoreUnavailable, Unavailable
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.registry.pin_names import PinNames, old_result
from veriframe.ports.store import Pin
from veriframe.worker.context import WorkerContext
from veriframe.worker.steps import keep_result

log = structlog.get_logger()

FIRST_LOOK_SECONDS = 30.0
"""After a start: what ended while the worker was away is released first, and leases go before."""

RECHECK_SECONDS = 600.0


async def keep_results(context: WorkerContext) -> None:
    """Look now and then, until cancelled. A pin made as that happens is released at the next start."""
    # Listed before anything ends: whatever becomes of these jobs, their old pins are ours to release.
    owed = [attempt for attempt in context.journal.unfinished() if attempt.result_cid]
    is_renamed = await rename_old(context, owed)
    await asyncio.sleep(FIRST_LOOK_SECONDS)
    while True:
        is_renamed = is_renamed or await rename_old(context, owed)
        await check_pins(context)
        await asyncio.sleep(RECHECK_SECONDS)


async def rename_old(context: WorkerContext, owed: Sequence[Attempt]) -> bool:
    """Give today's names to results of `owed` that an earlier version pinned. False: try it again.

    Only pins of exactly these results are touched: others of such names may be another registry's.
    """
    try:
        names, pinned = await context.pin_names(), set(await context.store.pins())
        for attempt in owed:
            old = Pin(cid=attempt.result_cid, name=old_result(names.account, attempt.job_id))
            if old not in pinned:
                continue
            if _is_unfinished(attempt, context):
                await context.store.pin(Pin(cid=old.cid, name=names.result(attempt.job_id)))
            await context.store.unpin(old)
            log.info("pin_renamed", job_id=attempt.job_id, cid=old.cid)
    except Unavailable as error:
        log.warning("pins_not_renamed", reason=str(error))
        return False
    return True


async def check_pins(context: WorkerContext) -> None:
    """See that every submitted result is pinned, and pin it again where it is not.

    A store that is away is not waited for: the next look finds what was lost meanwhile.
    """
    submitted = [attempt for attempt in context.journal.unfinished() if attempt.stage is Stage.SUBMITTED]
    if not submitted:
        return
    try:
        names, pinned = await context.pin_names(), set(await context.store.pins())
    except Unavailable as error:
        log.warning("pins_not_checked", reason=str(error))
        return
    for attempt in submitted:
        if _is_owed(attempt, context):
            await _keep(attempt, context, names, pinned)


async def _keep(attempt: Attempt, context: WorkerContext, names: PinNames, pinned: set[Pin]) -> None:
    pin = Pin(cid=attempt.result_cid, name=names.result(attempt.job_id))
    was_lost = pin not in pinned
    try:
        try:
            # Also where it is pinned: copies elsewhere may have been lost.
            await context.store.pin(pin)
        except StoreUnavailable:
            was_lost = True
            await _add_again(attempt, context)
        if not _is_owed(attempt, context):
            # Its job ended meanwhile, and whoever noticed has released a pin that was not there.
            await context.store.unpin(pin)
            return
    except (StoreUnavailable, JobError) as error:
        log.warning("pin_lost", job_id=attempt.job_id, cid=pin.cid, reason=str(error))
        return
    if was_lost:
        log.warning("pin_restored", job_id=attempt.job_id, cid=pin.cid)


def _is_owed(attempt: Attempt, context: WorkerContext) -> bool:
    known = context.journal.get(attempt.job_id)
    return known is not None and known.stage is Stage.SUBMITTED


def _is_unfinished(attempt: Attempt, context: WorkerContext) -> bool:
    known = context.journal.get(attempt.job_id)
    return known is not None and not known.stage.is_end


async def _add_again(attempt: Attempt, context: WorkerContext) -> None:
    """From the job's folder, which is there until the job is over."""
    cid = await keep_result(attempt.job_id, context)
    if cid != attempt.result_cid:
        raise StoreUnavailable(f"What lies in the job's folder is {cid}, and not the result any more.")
