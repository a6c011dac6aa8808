"""What a worker may lose: limits on bonds by reward, means and time, and a daily loss budget.

A lapsed claim burns its bond, a release burns part of it. A malicious creator can provoke this with a scene
that never finishes, or can keep money bound for days. So a creator who has never paid this account may cost
it little, and all such creators together no more than the loss budget.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

from veriframe.model.attempt.attempt import Attempt
from veriframe.model.quantities import brief_strk, format_span, format_strk
from veriframe.model.registry.job import NOBODY, Address, Job, Terms

DAY = 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class StakeLimits:
    """How much may be at stake. All shares are exact fractions; 1 is the whole.

    `reward_share`: largest bond, as a share of its reward. `bond_days`: largest bond × days that it may stay
    bound, as a share of the reward. `means_share`: largest bond, as a share of the account's means.
    `free_share`: share of the means that is never bound. `loss_share`: share of the means that may be lost in
    a day to creators who have not paid as much. `job_share`: share of the remaining budget that one job may
    risk, so that a few large ones cannot use it up. `new_creator_jobs`: jobs of such a creator at one time.
    """

    reward_share: Fraction = Fraction(1)
    bond_days: Fraction = Fraction(1)
    means_share: Fraction = Fraction(1, 4)
    free_share: Fraction = Fraction(1, 4)
    loss_share: Fraction = Fraction(3, 100)
    job_share: Fraction = Fraction(1, 4)
    new_creator_jobs: int = 1


@dataclass(frozen=True, slots=True)
class CreatorTotals:
    """The sums of `Attempt.paid_fri` and `Attempt.cost_fri` over some attempts at one creator's jobs."""

    paid_fri: int = 0
    lost_fri: int = 0


def fold(
    totals: Mapping[Address, CreatorTotals], attempts: Iterable[Attempt]
) -> dict[Address, CreatorTotals]:
    """The totals with some more attempts."""
    after = dict(totals)
    for attempt in attempts:
        # Creators cost nothing to invent, so those without a sum are not kept.
        if attempt.creator != NOBODY and (attempt.paid_fri or attempt.cost_fri):
            t = after.get(attempt.creator, CreatorTotals())
            after[attempt.creator] = CreatorTotals(
                t.paid_fri + attempt.paid_fri, t.lost_fri + attempt.cost_fri
            )
    return after


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatorRecord:
    """This account's history with one creator. Amounts are in fri.

    `paid_fri` is the sum of rewards less fees. `lost_fri` is the sum of burned bonds and of the fees of jobs
    that earned nothing; `lost_today_fri` is its part of the last 24 hours. `staked_fri` is what the jobs
    under way that are not yet submitted may cost, in bonds and fees; `under_way` is their number.
    """

    paid_fri: int = 0
    lost_fri: int = 0
    lost_today_fri: int = 0
    staked_fri: int = 0
    under_way: int = 0

    @property
    def balance_fri(self) -> int:
        """The total earned from this creator; below 0 if it has cost more."""
        return self.paid_fri - self.lost_fri

    @property
    def charged_fri(self) -> int:
        """The part of the loss budget that this creator uses: losses and stakes beyond what was earned."""
        lost_fri = min(self.lost_today_fri, max(0, -self.balance_fri))
        return lost_fri + max(0, self.staked_fri - max(0, self.balance_fri))


NEW_CREATOR = CreatorRecord()


@dataclass(frozen=True, kw_only=True)
class Stakes:
    """An account's means, and what of them is at stake, at one moment. All amounts are in fri.

    `free_fri` can be bound now. `bound_fri` is the sum of bonds of claimed jobs, `pending_fri` that of jobs
    being checked before a claim. `job_fees_fri` is the expected cost of the moves of one job. It is weighed
    against the reward only if `is_paid_in_fri`: a registry of another maker may pay in any token.
    """

    free_fri: int
    bound_fri: int = 0
    pending_fri: int = 0
    job_fees_fri: int = 0
    is_paid_in_fri: bool = True
    creators: Mapping[Address, CreatorRecord] = field(default_factory=dict)
    limits: StakeLimits = StakeLimits()

    @property
    def weighed_fees_fri(self) -> int:
        """The part of the fees of one job that is weighed against rewards: all, or nothing."""
        return self.job_fees_fri if self.is_paid_in_fri else 0

    @property
    def means_fri(self) -> int:
        """All money that the account has for bonds, bound or free."""
        return self.free_fri + self.bound_fri

    @property
    def largest_bond_fri(self) -> int:
        """The largest bond of one job."""
        return int(self.means_fri * self.limits.means_share)

    @property
    def bindable_fri(self) -> int:
        """The amount that may still be bound while some means stay free."""
        most_fri = int(self.means_fri * (1 - self.limits.free_share))
        return max(0, min(self.free_fri, most_fri - self.bound_fri) - self.pending_fri)

    @property
    def loss_budget_fri(self) -> int:
        """The most that may be lost in 24 hours to creators who have not paid as much."""
        return int(self.means_fri * self.limits.loss_share)

    @cached_property
    def charged_fri(self) -> int:
        """The used part of the loss budget: lost in the last 24 hours, or at stake now."""
        return sum(record.charged_fri for record in self.creators.values())

    @cached_property
    def largest_risk_fri(self) -> int:
        """The most that one job of a creator who has not paid as much may cost now."""
        return max(0, int((self.loss_budget_fri - self.charged_fri) * self.limits.job_share))

    def record(self, creator: Address) -> CreatorRecord:
        """The record of a creator."""
        return self.creators.get(creator, NEW_CREATOR)

    def is_backed(self, job: Job) -> bool:
        """Whether more was earned from its creator than the job could cost."""
        record = self.record(job.order.creator)
        return record.balance_fri > 0 and record.staked_fri + self.risk_fri(job) <= record.balance_fri

    def risk_fri(self, job: Job) -> int:
        """The most that a job may cost: its bond and the fees of its moves."""
        return job.terms.bond_fri + self.weighed_fees_fri

    def lasting_objection(self, job: Job) -> str:
        """Why the job does not suit this account at all, as one clause, or empty if it may.

        The answer does not change while the account's means do not, so such a job need not be remembered.
        """
        terms, limits = job.terms, self.limits
        if terms.reward_fri <= self.weighed_fees_fri:
            return (
                f"it pays {format_strk(terms.reward_fri)}, and the fees of its moves come to about "
                f"{brief_strk(self.job_fees_fri)}"
            )
        bond = format_strk(terms.bond_fri)
        if terms.bond_fri > terms.reward_fri * limits.reward_share:
            return (
                f"its bond of {bond} is more than {_percent(limits.reward_share)} of its reward "
                "(bond_reward_share)"
            )
        if terms.bond_fri * bound_seconds(terms) > terms.reward_fri * limits.bond_days * DAY:
            bound = format_span(bound_seconds(terms))
            return f"its bond of {bond} may stay bound for {bound}, too long for its reward (bond_days)"
        if terms.bond_fri > self.largest_bond_fri:
            return (
                f"its bond of {bond} is more than {brief_strk(self.largest_bond_fri)}, "
                f"{_percent(limits.means_share)} of what this account has (bond_means_share)"
            )
        return ""

    def passing_objection(self, job: Job) -> str:
        """Why the job is not taken now, as one clause, or empty if it is."""
        bond_fri, record = job.terms.bond_fri, self.record(job.order.creator)
        if bond_fri > self.bindable_fri:
            return (
                f"its bond of {format_strk(bond_fri)} is more than the {brief_strk(self.bindable_fri)} that "
                "may still be bound (free_means_share)"
            )
        risk_fri = self.risk_fri(job)
        if risk_fri == 0 or self.is_backed(job):
            return ""
        if record.under_way >= self.limits.new_creator_jobs:
            return "another job of its creator, who has not paid for that much yet, is under way"
        if risk_fri - max(0, record.balance_fri) > self.largest_risk_fri:
            most, budget = brief_strk(self.largest_risk_fri), brief_strk(self.loss_budget_fri)
            return (
                f"it may cost {brief_strk(risk_fri)}, and a job of a creator who has not paid for that much "
                f"yet {most} at most now, of a loss budget of {budget} a day (loss_budget_share)"
            )
        return ""


def bound_seconds(terms: Terms) -> int:
    """The longest time that a bond may stay bound: lease, review, and arbitration if there is an arbiter."""
    arbitration = terms.arbitration_seconds if terms.arbiter != NOBODY else 0
    return terms.lease_seconds + terms.review_seconds + arbitration


def _percent(share: Fraction) -> str:
    return f"{float(share * 100):g} %"
