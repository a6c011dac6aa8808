"""The end of a job with our result: its pay is collected and noted, and what was kept for it is released."""

from __future__ import annotations

from dataclasses import dataclass, replace

import structlog

from veriframe.errors import MoveRefused
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.quantities import format_strk
from veriframe.model.registry.job import Address, Job, JobState, format_address
from veriframe.ports.store import Pin
from veriframe.threads import run_uninterrupted
from veriframe.worker.claim.lease import lost
from veriframe.worker.context import WorkerContext
from veriframe.worker.job_run import current_job
from veriframe.worker.own_jobs import Finding

log = structlog.get_logger()

_ENDS = {JobState.PAID: Stage.PAID, JobState.REFUNDED: Stage.REFUNDED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """Automatic withdrawal of credit: everything above `keep_fri` goes to `recipient`."""

    keep_fri: int
    recipient: Address


async def settle(finding: Finding, context: WorkerContext) -> bool:
    """Finalizes a job if that is ours to do, and notes the end. Raises `Unavailable`.

    Returns False if the registry refuses to finalize it: another account ended it meanwhile, or its time has
    not come.
    """
    job, now = finding.job, finding.now
    attempt = context.attempts.of(job.id)
    if attempt is None or attempt.stage is not Stage.SUBMITTED:
        return True
    if not job.state.is_final:
        try:
            attempt = await _paying(attempt, await context.registry.finalize(job.id), context)
        except MoveRefused as error:
            await _paying(attempt, error.fee_fri, context)
            log.info("finalize_refused", job_id=job.id, reason=str(error))
            return False
        job, now = await current_job(attempt, context)
    if job.state.is_final:
        await _end_attempt(attempt, job, context, now)
    return True


async def _paying(attempt: Attempt, fee_fri: int, context: WorkerContext) -> Attempt:
    """Returns the attempt after one more move; its fee is noted at once, since the next step may fail."""
    return await context.attempts.record(attempt, attempt.paying(fee_fri)) if fee_fri else attempt


async def _end_attempt(attempt: Attempt, job: Job, context: WorkerContext, now: int) -> None:
    if job.worker != context.registry.account:
        error = lost("The registry shows another worker's result.", attempt, job, now, context)
        after = attempt.ended_by(error, at=context.clock())
    else:
        after = attempt.to(_ENDS[job.state], at=context.clock())
    if after.stage is Stage.REFUNDED:
        after = replace(after, lost_fri=job.terms.bond_fri)
    await context.attempts.record(attempt, after)
    await clean_up(after, context)


async def clean_up(attempt: Attempt, context: WorkerContext) -> None:
    """Cleans up after an end: removes the job's folder, and releases our pin of the result."""
    await run_uninterrupted(context.workspace.forget, attempt.job_id)
    if attempt.asset_cid not in {live.asset_cid for live in context.attempts.live()}:
        await run_uninterrupted(context.workspace.forget_fetch, attempt.asset_cid)
    if attempt.result_cid:
        name = (await context.pin_names()).result(attempt.job_id)
        await context.store.unpin(Pin(cid=attempt.result_cid, name=name))


async def withdraw(context: WorkerContext, withdrawal: Withdrawal) -> None:
    """Sends the credit above the limit to the recipient. Raises `Unavailable`."""
    registry = context.registry
    surplus = (await registry.funds(registry.account)).credit_fri - withdrawal.keep_fri
    if surplus <= 0:
        return
    try:
        await registry.withdraw(surplus, withdrawal.recipient)
    except MoveRefused as error:
        # A claim or the user spent the credit meanwhile; it is counted again after the next pay.
        log.info("withdrawal_refused", reason=str(error))
        return
    log.info("withdrawn", amount=format_strk(surplus), to=format_address(withdrawal.recipient))
