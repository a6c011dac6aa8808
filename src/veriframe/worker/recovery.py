"""The beginning of every run: where the journal and the registry differ, the registry wins."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import structlog

from veriframe.errors import Code, JobRejected, SettingsError, StoreUnavailable
from veriframe.model.attempt import Attempt, Stage
from veriframe.model.cid import canonical
from veriframe.model.job import Job
from veriframe.model.reconciliation import burned_fri, released_fri, stage_by_registry
from veriframe.ports import LOOKS_AT_ONCE
from veriframe.worker.parts import Parts
from veriframe.worker.steps import result_pin, result_pins

log = structlog.get_logger()


async def recover(parts: Parts, on_jobs: Callable[[Sequence[Job], int], None] = lambda _, __: None) -> int:
    """Bring the journal in line with the registry, and clear away what earlier runs left behind.

    Claims and submissions that the journal has lost (it came back from a backup) are taken on again. This is
    the one time that all jobs are read: `on_jobs` hears of them, with the time to judge them by, in chain
    seconds. Returns the last job's id. May be cut off and repeated. Raises `Unavailable`, and `SettingsError`
    where the journal is another registry's.
    """
    registry, journal = parts.registry, parts.journal
    size = registry.jobs_at_once
    look = await registry.look(1, size)
    now, last = look.head.time, look.job_counter

    def take_in(jobs: Sequence[Job]) -> None:
        for job in jobs:
            reconcile(job, parts, now)
        on_jobs(jobs, now)

    take_in(look.jobs)
    for first in range(1 + size, last + 1, size * LOOKS_AT_ONCE):
        take_in(await registry.get_jobs(first, size * LOOKS_AT_ONCE))
    attempts = journal.unfinished()
    unfinished = [attempt.job_id for attempt in attempts]
    parts.workspace.sweep(unfinished, [attempt.asset_cid for attempt in attempts])
    try:
        await _release_pins(parts, unfinished)
    except StoreUnavailable as error:
        # Leases run; pins can wait for the next start.
        log.warning("pins_not_released", reason=str(error))
    return last


def new_attempt(job: Job, *, at: float) -> Attempt:
    """The beginning of an attempt. Its asset's CID has the canonical spelling where it is a CID at all."""
    return Attempt(
        job_id=job.id,
        asset_cid=_asset_cid(job),
        reward_fri=job.terms.reward_fri,
        creator=job.order.creator,
        order_id=job.order.id,
        bond_fri=job.terms.bond_fri,
        reached={Stage.SEEN: at},
    )


def _asset_cid(job: Job) -> str:
    try:
        return canonical(job.order.asset_cid)
    except JobRejected:
        # Left for the store to refuse, so that the refusal is noted like any other.
        return job.order.asset_cid


async def _release_pins(parts: Parts, unfinished: Collection[int]) -> None:
    account = parts.registry.account
    kept = {result_pin(account, job_id) for job_id in unfinished}
    for pin in await parts.store.pins():
        if pin.name.startswith(result_pins(account)) and pin.name not in kept:
            await parts.store.unpin(pin)


def reconcile(job: Job, parts: Parts, now: int) -> None:
    """Bring our attempt on a job, if there is or should be one, to the stage that the registry shows."""
    account, journal = parts.registry.account, parts.journal
    attempt = journal.get(job.id)
    if attempt is None:
        if job.worker != account or job.state.is_final or job.is_lapsed(now):
            return
        attempt = new_attempt(job, at=parts.clock())
        journal.add(attempt)
    elif attempt.asset_cid != _asset_cid(job):
        raise SettingsError(
            f"The journal of this account tells of another job {job.id} than the registry: it belongs to "
            "another registry. Put its registry back, or move the journal away, or use another --account."
        )
    stage = stage_by_registry(attempt, job, account, now)
    if stage is not attempt.stage:
        log.warning("reconciled", job_id=job.id, journal=attempt.stage, registry=job.state, stage=stage)
        at = parts.clock()
        lost_fri = 0
        if stage is Stage.LOST:
            lost_fri = burned_fri(attempt, job, account, now)
        elif stage is Stage.RELEASED:
            lost_fri = released_fri(attempt, job, now, at)
        after = replace(_at(stage, attempt, job, at), lost_fri=lost_fri)
        journal.move(attempt, after)
        parts.on_stage(attempt, after)


def _at(stage: Stage, attempt: Attempt, job: Job, at: float) -> Attempt:
    # Not `Attempt.to`: what follows what is a rule for our own steps, and the registry is above it.
    lost = stage is Stage.LOST
    goes_on = not stage.is_end and stage is not Stage.FAILED
    return replace(
        attempt,
        stage=stage,
        result_cid=job.result_cid if stage is Stage.SUBMITTED else attempt.result_cid,
        code=Code.LOST if lost else None if goes_on else attempt.code,
        detail="The registry does not show our claim." if lost else "" if goes_on else attempt.detail,
        reached={**attempt.reached, stage: at},
    )
