"""Says in one sentence what a decision did to the money of a job."""

from __future__ import annotations

from veriframe.cli import context
from veriframe.cli.display import job_view, show
from veriframe.creator.orders.deciding import Decided
from veriframe.model.quantities import counted, format_strk
from veriframe.model.registry.job import Verdict, format_address
from veriframe.model.registry.job_status import JobStatus


def accepted(before: JobStatus, after: JobStatus) -> str:
    """The worker has been paid."""
    job, bond_fri = before.job, before.job.terms.bond_fri
    back = f", and its bond of {format_strk(bond_fri)} was returned" if bond_fri else ""
    reward = format_strk(job.terms.reward_fri)
    return (
        f"Job {job.id} is {after.job.state}: {reward} went to the worker {format_address(job.worker)}{back}."
    )


def cancelled(before: JobStatus, after: JobStatus) -> str:
    """The reward is credit again."""
    job, account = before.job, context.account(job_view.DEFAULT_ACCOUNT)
    amount = format_strk(job.terms.reward_fri)
    withdraw = f"veriframe --account {account} account withdraw {amount.removesuffix(' STRK')}"
    lapsed = before.job.is_lapsed(before.now) and job.terms.bond_fri
    burned = (
        f", and the bond of the worker that did not deliver, {format_strk(job.terms.bond_fri)}, is burned"
        if lapsed
        else ""
    )
    return (
        f"Job {job.id} is {after.job.state}: {amount} is your credit again{burned}. It pays for your next "
        f"job, or `{withdraw}` withdraws it."
    )


def disputed(before: JobStatus, after: JobStatus) -> str:
    """The creator's bond is bound."""
    job = after.job
    bond = format_strk(job.terms.bond_fri)
    end = show.moment(job.arbitration_end, after.now)
    return (
        f"Job {job.id} is {job.state}: your bond of {bond} is in escrow, like the reward, until the arbiter "
        f"decides, at the latest until {end}; without a decision the worker is paid, and your bond is burned."
    )


def resolved(verdict: Verdict, before: JobStatus, after: JobStatus) -> str:
    """The arbiter has decided."""
    job, bond = before.job, format_strk(before.job.terms.bond_fri)
    reward, worker = format_strk(job.terms.reward_fri), format_address(job.worker)
    became = {
        Verdict.WORKER: f"{reward} and the creator's bond of {bond} went to the worker {worker}, whose own"
        " bond was returned",
        Verdict.CREATOR: f"{reward} and the creator's bond of {bond} are the creator's credit again, and the"
        f" bond of the worker {worker} is burned",
        Verdict.NEITHER: f"{reward} went to the worker {worker}, and both bonds of {bond} were returned",
    }
    return f"Job {job.id} is {after.job.state}: {became[verdict]}."


def order_accepted(decided: Decided) -> str:
    """The workers of an order's chunks have been paid."""
    jobs = [chunk.job for chunk in decided.chunks]
    reward_fri, bond_fri = (
        sum(getattr(job.terms, name) for job in jobs) for name in ("reward_fri", "bond_fri")
    )
    workers = len({job.worker for job in jobs})
    back = f", and bonds of {format_strk(bond_fri)} were returned" if bond_fri else ""
    return (
        f"{_chunks(decided)} accepted: {format_strk(reward_fri)} went to "
        f"{'one worker' if workers == 1 else counted(workers, 'worker')}{back}."
    )


def order_cancelled(decided: Decided) -> str:
    """The rewards of an order's open chunks are credit again."""
    jobs, account = [chunk.job for chunk in decided.chunks], context.account(job_view.DEFAULT_ACCOUNT)
    amount = format_strk(sum(job.terms.reward_fri for job in jobs))
    burned_fri = sum(job.terms.bond_fri for job in jobs if job.is_lapsed(decided.before.now))
    burned = f"; bonds of {format_strk(burned_fri)} of workers that did not deliver are burned"
    withdraw = f"veriframe --account {account} account withdraw {amount.removesuffix(' STRK')}"
    return (
        f"{_chunks(decided)} cancelled: {amount} is your credit again{burned if burned_fri else ''}. "
        f"It pays for your next order, or `{withdraw}` withdraws it."
    )


def _chunks(decided: Decided) -> str:
    number = len(decided.chunks)
    return f"{counted(number, 'chunk')} of order {decided.before.number} {'was' if number == 1 else 'were'}"
