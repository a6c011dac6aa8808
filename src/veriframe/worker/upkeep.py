"""Results that are owed: pinned until their jobs are over, whatever happens to the store meanwhile."""

from __future__ import annotations

import asyncio

import structlog

from veriframe.errors import JobError, StoreUnavailable
from veriframe.model.attempt import Attempt, Stage
from veriframe.ports import Pin
from veriframe.worker.parts import Parts
from veriframe.worker.steps import keep_result, result_pin

log = structlog.get_logger()

FIRST_LOOK_SECONDS = 30.0
"""After a start: what ended while the worker was away is released first, and leases go before."""

RECHECK_SECONDS = 600.0


async def keep_results(parts: Parts) -> None:
    """Look now and then, until cancelled. A pin made as that happens is released at the next start."""
    await asyncio.sleep(FIRST_LOOK_SECONDS)
    while True:
        await look(parts)
        await asyncio.sleep(RECHECK_SECONDS)


async def look(parts: Parts) -> None:
    """See that every submitted result is pinned, and pin it again where it is not.

    A store that is away is not waited for: the next look finds what was lost meanwhile.
    """
    submitted = [attempt for attempt in parts.journal.unfinished() if attempt.stage is Stage.SUBMITTED]
    if not submitted:
        return
    try:
        pinned = set(await parts.store.pins())
    except StoreUnavailable as error:
        log.warning("pins_not_checked", reason=str(error))
        return
    for attempt in submitted:
        if _is_owed(attempt, parts):
            await _keep(attempt, parts, pinned)


async def _keep(attempt: Attempt, parts: Parts, pinned: set[Pin]) -> None:
    pin = Pin(cid=attempt.result_cid, name=result_pin(parts.registry.account, attempt.job_id))
    was_lost = pin not in pinned
    try:
        try:
            # Also where it is pinned: copies elsewhere may have been lost.
            await parts.store.pin(pin)
        except StoreUnavailable:
            was_lost = True
            await _add_again(attempt, parts)
        if not _is_owed(attempt, parts):
            # Its job ended meanwhile, and whoever noticed has released a pin that was not there.
            await parts.store.unpin(pin)
            return
    except (StoreUnavailable, JobError) as error:
        log.warning("pin_lost", job_id=attempt.job_id, cid=pin.cid, reason=str(error))
        return
    if was_lost:
        log.warning("pin_restored", job_id=attempt.job_id, cid=pin.cid)


def _is_owed(attempt: Attempt, parts: Parts) -> bool:
    known = parts.journal.get(attempt.job_id)
    return known is not None and known.stage is Stage.SUBMITTED


async def _add_again(attempt: Attempt, parts: Parts) -> None:
    """From the job's folder, which is there until the job is over."""
    cid = await keep_result(attempt.job_id, parts)
    if cid != attempt.result_cid:
        raise StoreUnavailable(f"What lies in the job's folder is {cid}, and not the result any more.")
