"""Keeps results pinned until their jobs are over, whatever happens to the store meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import structlog

from veriframe.errors import JobError, StoreUnavailable, Unavailable
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.registry.pin_names import PinNames, old_result, old_results
from veriframe.ports.store import Pin
from veriframe.retry import retrying
from veriframe.worker.context import WorkerContext
from veriframe.worker.frames.result import keep_result

log = structlog.get_logger()

FIRST_CHECK_SECONDS = 30.0
"""After a start, jobs that ended meanwhile are released first, and leases have priority."""

RECHECK_SECONDS = 600.0


async def keep_results(context: WorkerContext) -> None:
    """Checks periodically, until cancelled. A pin made during that is released at the next start.

    A store that is away at the start is waited for here, so that it is said; pay is collected meanwhile.
    """
    await retrying(context.store.ready, partial(context.pauses.note, "store"))
    # Listed before any job ends: whatever becomes of these jobs, their old pins are ours to release.
    owed = [attempt for attempt in context.attempts.live() if attempt.result_cid]
    is_renamed = await rename_old(context, owed)
    await asyncio.sleep(FIRST_CHECK_SECONDS)
    while True:
        is_renamed = is_renamed or await rename_old(context, owed)
        await check_pins(context)
        await asyncio.sleep(RECHECK_SECONDS)


async def rename_old(context: WorkerContext, owed: Sequence[Attempt]) -> bool:
    """Renames the pins that an earlier version made for results of `owed`. Returns False to try again.

    Only pins of exactly these results are changed: others with such names may belong to another registry.
    """
    try:
        names = await context.pin_names()
        pinned = await context.store.pins(old_results(names.account))
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
    """Checks that every submitted result is pinned, and pins it again if not.

    Does not wait for an unavailable store: the next check finds what was lost meanwhile.
    """
    submitted = [attempt for attempt in context.attempts.live() if attempt.stage is Stage.SUBMITTED]
    if not submitted:
        return
    try:
        names = await context.pin_names()
        pinned = set(await context.store.pins(names.results))
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
            # Also if it is pinned: copies elsewhere may have been lost.
            await context.store.pin(pin)
        except StoreUnavailable:
            was_lost = True
            await _add_again(attempt, context)
        if not _is_owed(attempt, context):
            # Its job ended meanwhile, and `clean_up` has released a pin that did not exist yet.
            await context.store.unpin(pin)
            return
    except (StoreUnavailable, JobError) as error:
        log.warning("pin_lost", job_id=attempt.job_id, cid=pin.cid, reason=str(error))
        return
    if was_lost:
        log.warning("pin_restored", job_id=attempt.job_id, cid=pin.cid)


def _is_owed(attempt: Attempt, context: WorkerContext) -> bool:
    known = context.attempts.of(attempt.job_id)
    return known is not None and known.stage is Stage.SUBMITTED


def _is_unfinished(attempt: Attempt, context: WorkerContext) -> bool:
    known = context.attempts.of(attempt.job_id)
    return known is not None and not known.stage.is_end


async def _add_again(attempt: Attempt, context: WorkerContext) -> None:
    """Adds the result from the job's folder, which exists until the job is over."""
    cid, _ = await keep_result(attempt, context)
    if cid != attempt.result_cid:
        raise StoreUnavailable(f"The file in the job's folder is {cid}, which is no longer the result.")
