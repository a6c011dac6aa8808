"""The checks of the worker's account: its money, its standing, its stakes, and the jobs that it may take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from veriframe.doctor.finding import Finding, Verdict
from veriframe.model.attempt.stakes import Stakes
from veriframe.model.quantities import brief_strk, format_strk
from veriframe.model.registry.job import Address, Job, format_address
from veriframe.model.registry.standing import WorkerStanding
from veriframe.ports.registry import Treasury


async def money(treasury: Treasury, name: str, address: Address) -> Finding:
    """Check that the account has money for a bond."""
    funds = await treasury.funds(address)
    detail = (
        f"{name} {format_address(address)}: wallet {format_strk(funds.wallet_fri)}, "
        f"credit {format_strk(funds.credit_fri)}"
    )
    if funds.wallet_fri + funds.credit_fri == 0:
        return Finding(detail, Verdict.WARNING, "A claim needs a bond. Send this account some STRK.")
    return Finding(detail)


def stakes(held: Stakes) -> Finding:
    """Show what the account may lose: see `model/attempt/stakes.py`."""
    used_fri, budget_fri = held.charged_fri, held.loss_budget_fri
    detail = (
        f"{format_strk(held.bound_fri)} of {format_strk(held.means_fri)} bound; largest bond "
        f"{format_strk(held.largest_bond_fri)}; loss budget {format_strk(budget_fri)} a day, "
        f"{format_strk(used_fri)} used; fees of a job about {brief_strk(held.job_fees_fri)}"
    )
    if used_fri >= budget_fri and budget_fri:
        return Finding(
            detail,
            Verdict.WARNING,
            "Jobs of creators who have never paid this account wait until the losses are a day old. "
            "Raise loss_budget_share to take more of them.",
        )
    return Finding(detail)


def standing(found: WorkerStanding, address: Address) -> Finding:
    """Check that the registry admits this account as a worker, as far as it says."""
    verdict = Verdict.WARNING if found.is_paused else Verdict.GOOD
    return Finding(
        found.words or "this registry takes any worker",
        Verdict.BAD if found.missing(address) else verdict,
        found.remedy(address),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenJobs:
    """The newest jobs of a registry that are open, and those that suit this worker, the best paid first."""

    examined: int
    open: Sequence[Job]
    suitable: Sequence[Job]
    objection: str = ""
    """Why the best paid of those that do not suit is not taken, as one clause."""


def choose(jobs: Sequence[Job], now: int, objection: Callable[[Job, int], str]) -> OpenJobs:
    """Sort `jobs` out at `now` (chain seconds). `objection` says why this worker would not take one."""
    found = sorted((job for job in jobs if job.is_open(now)), key=lambda job: -job.terms.reward_fri)
    against = [objection(job, now) for job in found]
    return OpenJobs(
        examined=len(jobs),
        open=found,
        suitable=[job for job, reason in zip(found, against, strict=True) if not reason],
        objection=next(filter(None, against), ""),
    )


def _none_open(examined: int) -> str:
    if examined > 1:
        return f"none open of the newest {examined}"
    return "the only one is not open" if examined else "none so far"


def jobs(found: OpenJobs, held: Stakes) -> Finding:
    """Show what there is to earn now, and what one job costs: reward, fees, and the bond at risk."""
    fees = f"fees about {brief_strk(held.job_fees_fri)}"
    if not found.open:
        return Finding(f"{_none_open(found.examined)}; a job's {fees}")
    counted = (
        f"{len(found.open)} open of the newest {found.examined}, {len(found.suitable)} for this worker now"
    )
    if not found.suitable:
        return Finding(f"{counted}; the best paid is not taken, since {found.objection}")
    best = found.suitable[0]
    figures = f"{format_strk(best.terms.reward_fri)}, {fees}, bond at risk {format_strk(best.terms.bond_fri)}"
    return Finding(f"{counted}; the best, job {best.id}, pays {figures}")
