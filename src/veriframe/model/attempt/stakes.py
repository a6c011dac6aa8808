"""What a worker may lose: bonds bounded by reward, means and time, and a loss budget a day.

A bond is burned where a claim lapses, a part of it where a claim is given back. Whoever posts a job can aim
at that: by a scene that never ends, or by money that stays bound for days. So a creator who has never paid
this account is trusted with little, and all of them together with no more than the loss budget.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

from veriframe.model.registry.job import NOBODY, Address, Job, Terms, format_strk

DAY = 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class StakeLimits:
    """How much may be at stake. All are exact fractions, 1 being the whole.

    `reward_share`: a bond, at most, of its reward. `bond_days`: bond × days that it may stay bound, at most,
    of the reward. `means_share`: a bond, at most, of all that the account has. `free_share`: what of that is
    never bound. `loss_share`: what of it may be lost in a day to creators who have not paid as much.
    `job_share`: what of the budget's rest one job may risk, so that a few large ones cannot use it up.
    `new_creator_jobs`: how many jobs of such a creator may be under way together.
    """

    reward_share: Fraction = Fraction(1)
    bond_days: Fraction = Fraction(1)
    means_share: Fraction = Fraction(1, 4)
    free_share: Fraction = Fraction(1, 4)
    loss_share: Fraction = Fraction(3, 100)
    job_share: Fraction = Fraction(1, 4)
    new_creator_jobs: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatorRecord:
    """What this account has seen of one creator. Amounts are in fri.

    `paid_fri` are rewards, less fees; `lost_fri` what of bonds was burned, and the fees of jobs that came to
    nothing, `lost_today_fri` of that in the last 24 hours. `staked_fri` is what jobs under way that are not
    handed in may cost, bonds and fees; `under_way` is their number.
    """

    paid_fri: int = 0
    lost_fri: int = 0
    lost_today_fri: int = 0
    staked_fri: int = 0
    under_way: int = 0

    @property
    def balance_fri(self) -> int:
        """What this creator has brought in all; below 0 where it has cost more."""
        return self.paid_fri - self.lost_fri

    @property
    def charged_fri(self) -> int:
        """What of the loss budget is used by this creator: losses and stakes beyond what it has brought."""
        lost_fri = min(self.lost_today_fri, max(0, -self.balance_fri))
        return lost_fri + max(0, self.staked_fri - max(0, self.balance_fri))


NEW_CREATOR = CreatorRecord()


@dataclass(frozen=True, kw_only=True)
class Stakes:
    """What an account has, and what of it is at stake, at one moment. All in fri.

    `free_fri` can be bound now, `bound_fri` are the bonds of claimed jobs, `pending_fri` those of jobs that
    are looked at before a claim. `job_fees_fri` is what the moves of one job are expected to cost.
    """

    free_fri: int
    bound_fri: int = 0
    pending_fri: int = 0
    job_fees_fri: int = 0
    creators: Mapping[Address, CreatorRecord] = field(default_factory=dict)
    limits: StakeLimits = StakeLimits()

    @property
    def means_fri(self) -> int:
        """All that the account has for bonds, bound or free."""
        return self.free_fri + self.bound_fri

    @property
    def largest_bond_fri(self) -> int:
        """The largest bond of one job."""
        return int(self.means_fri * self.limits.means_share)

    @property
    def bindable_fri(self) -> int:
        """What may still be bound, so that some means always stay free."""
        most_fri = int(self.means_fri * (1 - self.limits.free_share))
        return max(0, min(self.free_fri, most_fri - self.bound_fri) - self.pending_fri)

    @property
    def loss_budget_fri(self) -> int:
        """What may be lost in 24 hours to creators who have not paid as much."""
        return int(self.means_fri * self.limits.loss_share)

    @cached_property
    def charged_fri(self) -> int:
        """What of the loss budget is used: lost in the last 24 hours, and at stake now."""
        return sum(record.charged_fri for record in self.creators.values())

    @cached_property
    def largest_risk_fri(self) -> int:
        """What one job of a creator who has not paid as much may cost now."""
        return max(0, int((self.loss_budget_fri - self.charged_fri) * self.limits.job_share))

    def record(self, creator: Address) -> CreatorRecord:
        """What is known of a creator."""
        return self.creators.get(creator, NEW_CREATOR)

    def is_backed(self, job: Job) -> bool:
        """Whether its creator has brought more than the job could cost us."""
        record = self.record(job.order.creator)
        return record.balance_fri > 0 and record.staked_fri + self.risk_fri(job) <= record.balance_fri

    def risk_fri(self, job: Job) -> int:
        """What a job may cost at worst: its bond, and the fees of its moves."""
        return job.terms.bond_fri + self.job_fees_fri

    def lasting_objection(self, job: Job) -> str:
        """Why the job is not for this account at all, as one clause; empty where it may be.

        It does not change while the account has what it has, so that such a job need not be remembered.
        """
        terms, limits = job.terms, self.limits
        if terms.reward_fri <= self.job_fees_fri:
            return (
                f"it pays {format_strk(terms.reward_fri)}, and the fees of its moves come to about "
                f"{format_strk(self.job_fees_fri)}"
            )
        bond = format_strk(terms.bond_fri)
        if terms.bond_fri > terms.reward_fri * limits.reward_share:
            return (
                f"its bond of {bond} is more than {_percent(limits.reward_share)} of its reward "
                "(bond_reward_share)"
            )
        if terms.bond_fri * bound_seconds(terms) > terms.reward_fri * limits.bond_days * DAY:
            days = bound_seconds(terms) / DAY
            return (
                f"its bond of {bond} may stay bound for {days:.1f} days, too long for its reward (bond_days)"
            )
        if terms.bond_fri > self.largest_bond_fri:
            return (
                f"its bond of {bond} is more than {format_strk(self.largest_bond_fri)}, "
                f"{_percent(limits.means_share)} of what this account has (bond_means_share)"
            )
        return ""

    def passing_objection(self, job: Job) -> str:
        """Why the job is left for now, as one clause; empty where it is not."""
        bond_fri, record = job.terms.bond_fri, self.record(job.order.creator)
        if bond_fri > self.bindable_fri:
            return (
                f"its bond of {format_strk(bond_fri)} is more than the {format_strk(self.bindable_fri)} that "
                "may still be bound (free_means_share)"
            )
        risk_fri = self.risk_fri(job)
        if risk_fri == 0 or self.is_backed(job):
            return ""
        if record.under_way >= self.limits.new_creator_jobs:
            return "another job of its creator, who has not paid for that much yet, is under way"
        if risk_fri - max(0, record.balance_fri) > self.largest_risk_fri:
            most, budget = format_strk(self.largest_risk_fri), format_strk(self.loss_budget_fri)
            return (
                f"it may cost {format_strk(risk_fri)}, and a job of a new creator {most} at most now, of a "
                f"loss budget of {budget} a day (loss_budget_share)"
            )
        return ""


def bound_seconds(terms: Terms) -> int:
    """How long a bond may stay bound: lease and review, and arbitration where somebody can be asked."""
    arbitration = terms.arbitration_seconds if terms.arbiter != NOBODY else 0
    return terms.lease_seconds + terms.review_seconds + arbitration


def _percent(share: Fraction) -> str:
    return f"{float(share * 100):g} %"
