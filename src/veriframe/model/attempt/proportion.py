"""Terms out of proportion: what a worker with default settings does not take, or what protects nobody.

For creators, before anything is posted. The limits are those of `policy` and `stakes`, not a second set.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from veriframe.model.attempt.policy import Policy
from veriframe.model.attempt.stakes import DAY, StakeLimits, bound_seconds
from veriframe.model.quantities import brief_strk, format_span, format_strk
from veriframe.model.registry.job import NOBODY, Terms
from veriframe.model.registry.offer import ARBITRATED_REVIEW_SECONDS

_LEAST_BOND = 100
"""A bond below this part of the reward costs a worker that blocks the job next to nothing."""

_LEAST_REVIEW_SECONDS = 60
"""In less time nobody looks at a result, even if it is waited for."""

_LEAST_DISPUTABLE_SECONDS = 3600
"""In less time a creator hardly fetches a result, looks at it and disputes it."""


class Imbalance(StrEnum):
    """What is out of proportion."""

    BOND_ABOVE_REWARD = "BOND_ABOVE_REWARD"
    BOND_BOUND_LONG = "BOND_BOUND_LONG"
    BOND_SMALL = "BOND_SMALL"
    REWARD_BELOW_FEES = "REWARD_BELOW_FEES"
    LEASE_SHORT = "LEASE_SHORT"
    DEADLINE_NEAR = "DEADLINE_NEAR"
    PAY_LATE = "PAY_LATE"
    REVIEW_SHORT = "REVIEW_SHORT"
    ARBITER_NOT_TRUSTED = "ARBITER_NOT_TRUSTED"


@dataclass(frozen=True, slots=True)
class TermsWarning:
    """A warning about terms: its code, and a sentence with the remedy."""

    code: Imbalance
    sentence: str


def terms_warnings(terms: Terms, now: int, job_fees_fri: int = 0) -> tuple[TermsWarning, ...]:
    """What is out of proportion in terms posted at `now`, in chain seconds.

    `job_fees_fri` is what the moves of one job cost a worker; 0 if they are free, or not known.
    """
    return (*_money(terms, job_fees_fri), *_times(terms, now), *_review(terms))


def _money(terms: Terms, job_fees_fri: int) -> Iterator[TermsWarning]:
    limits, reward_fri, bond_fri = StakeLimits(), terms.reward_fri, terms.bond_fri
    reward, bond = format_strk(reward_fri), format_strk(bond_fri)
    if job_fees_fri > 0 and reward_fri <= job_fees_fri:
        yield TermsWarning(
            Imbalance.REWARD_BELOW_FEES,
            f"The reward of {reward} does not cover a worker's fees, about {brief_strk(job_fees_fri)}:"
            " workers leave such a job. Raise --reward.",
        )
    if bond_fri > reward_fri * limits.reward_share:
        yield TermsWarning(
            Imbalance.BOND_ABOVE_REWARD,
            f"The bond of {bond} is more than the reward of {reward}: workers with default settings do not"
            " risk more than they can earn (bond_reward_share). Lower --bond.",
        )
    elif bond_fri * bound_seconds(terms) > reward_fri * limits.bond_days * DAY:
        yield TermsWarning(
            Imbalance.BOND_BOUND_LONG,
            f"The bond of {bond} may stay bound for {format_span(bound_seconds(terms))}: workers with default"
            " settings find that too long for the reward (bond_days). Lower --bond, or the lease, the"
            " review or the arbitration.",
        )
    if bond_fri * _LEAST_BOND < reward_fri:
        yield TermsWarning(
            Imbalance.BOND_SMALL,
            f"The bond of {bond} is next to nothing beside the reward: a worker that claims the job and"
            " never submits loses little. A tenth of the reward is usual.",
        )


def _times(terms: Terms, now: int) -> Iterator[TermsWarning]:
    policy = Policy(account=NOBODY)
    shortest, left = policy.shortest_lease(terms.bond_fri), terms.deadline - now
    if terms.lease_seconds < shortest:
        yield TermsWarning(
            Imbalance.LEASE_SHORT,
            f"The lease of {format_span(terms.lease_seconds)} is shorter than the {format_span(shortest)}"
            " that workers with default settings allow for a job: they leave it. Raise --lease.",
        )
    if left < shortest:
        yield TermsWarning(
            Imbalance.DEADLINE_NEAR,
            f"Workers can claim the job for {format_span(left)} only: one that is busy with another job may"
            f" be free after {format_span(shortest)}. Raise --deadline.",
        )
    wait = terms.review_seconds + (terms.arbitration_seconds if terms.arbiter != NOBODY else 0)
    if wait > policy.maximum_wait_seconds:
        yield TermsWarning(
            Imbalance.PAY_LATE,
            f"Review and arbitration may delay the pay by {format_span(wait)}: workers with default settings"
            f" wait for {format_span(policy.maximum_wait_seconds)} at most (maximum_wait_seconds).",
        )


def _review(terms: Terms) -> Iterator[TermsWarning]:
    review = format_span(terms.review_seconds)
    if terms.arbiter == NOBODY:
        if terms.review_seconds < _LEAST_REVIEW_SECONDS:
            yield TermsWarning(
                Imbalance.REVIEW_SHORT,
                f"The review of {review} is over before you can look at the result: anyone may trigger the"
                " payment then. Raise --review.",
            )
        return
    if terms.review_seconds < _LEAST_DISPUTABLE_SECONDS:
        yield TermsWarning(
            Imbalance.REVIEW_SHORT,
            f"The review of {review} leaves hardly any time to look at the result and dispute it; after that"
            f" the arbiter cannot help. Raise --review: {format_span(ARBITRATED_REVIEW_SECONDS)} is usual.",
        )
    if terms.arbiter not in Policy(account=NOBODY).arbiters:
        yield TermsWarning(
            Imbalance.ARBITER_NOT_TRUSTED,
            "Workers with default settings trust no arbiter: only those that have this one in their setting"
            " “arbiters” take the job. Agree on it with them, or leave out --arbiter.",
        )
