"""What becomes of submitted results: pay is noted, a review that is over is finalized, pins are released."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from veriframe.errors import JobLost, MoveRefused
from veriframe.model.attempt import Attempt, Stage
from veriframe.model.job import Address, Job, JobState, format_address, format_strk
from veriframe.ports import JobReader, Pin
from veriframe.worker.discovery import WINDOW
from veriframe.worker.parts import Parts
from veriframe.worker.steps import result_pin

log = structlog.get_logger()

_ENDS = {JobState.PAID: Stage.PAID, JobState.REFUNDED: Stage.REFUNDED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """When credit leaves the registry by itself: all above `keep_fri` goes to `recipient`."""

    keep_fri: int
    recipient: Address


async def watch_once(parts: Parts, withdrawal: Withdrawal | None) -> None:
    """Look at every submitted job once. Raises `Unavailable`."""
    submitted = [attempt for attempt in parts.journal.unfinished() if attempt.stage is Stage.SUBMITTED]
    if submitted:
        now = (await parts.registry.head()).time
        jobs = await _jobs(parts.registry, [attempt.job_id for attempt in submitted])
        for attempt in submitted:
            if (job := jobs.get(attempt.job_id)) is not None:
                await _settle(attempt, job, parts, now)
    if withdrawal is not None:
        await _withdraw(parts, withdrawal)


async def _settle(attempt: Attempt, job: Job, parts: Parts, now: int) -> None:
    if _is_due(job, now):
        try:
            await parts.registry.finalize(job.id)
        except MoveRefused as error:
            # Somebody else ended it in between; the next look shows how.
            log.info("finalize_refused", job_id=job.id, reason=str(error))
            return
        job = await parts.registry.get_job(job.id)
    if not job.state.is_final:
        return
    if job.worker != parts.registry.account:
        after = attempt.ended_by(JobLost("The registry shows another worker's result."), at=parts.clock())
    else:
        after = attempt.to(_ENDS[job.state], at=parts.clock())
    parts.journal.move(attempt, after)
    parts.on_stage(attempt, after)
    await clean_up(after, parts)


def _is_due(job: Job, now: int) -> bool:
    """Whether time alone has decided, so that anyone may end the job."""
    reviewed = job.state is JobState.SUBMITTED and now >= job.review_end
    return reviewed or (job.state is JobState.DISPUTED and now >= job.arbitration_end)


async def clean_up(attempt: Attempt, parts: Parts) -> None:
    """After an end: the job's folder goes, and the result is no longer held by us."""
    parts.workspace.forget(attempt.job_id)
    if attempt.result_cid:
        await parts.store.unpin(
            Pin(cid=attempt.result_cid, name=result_pin(parts.registry.account, attempt.job_id))
        )


async def _withdraw(parts: Parts, withdrawal: Withdrawal) -> None:
    registry = parts.registry
    async with parts.money:
        surplus = (await registry.funds(registry.account)).credit_fri - withdrawal.keep_fri
        if surplus <= 0:
            return
        try:
            await registry.withdraw(surplus, withdrawal.recipient)
        except MoveRefused as error:
            # The account moved its credit by hand meanwhile; the next look counts again.
            log.info("withdrawal_refused", reason=str(error))
            return
    log.info("withdrawn", amount=format_strk(surplus), to=format_address(withdrawal.recipient))


async def _jobs(reader: JobReader, ids: Sequence[int]) -> Mapping[int, Job]:
    """The jobs of these ids, by windows instead of one by one."""
    found: dict[int, Job] = {}
    for job_id in sorted(ids):
        if job_id not in found:
            found.update({job.id: job for job in await reader.get_jobs(job_id, WINDOW)})
    return found
