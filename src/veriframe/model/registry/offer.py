"""A creator's offer for a scene, and the default terms."""

from __future__ import annotations

from dataclasses import dataclass

from veriframe.model.registry.job import NOBODY, Address, Terms

HOUR = 3600
DAY = 24 * HOUR

DEADLINE_SECONDS = DAY
LEASE_SECONDS = HOUR
"""Ten times what a worker allows for a still (a minute to load, five for the frame): enough time to submit,
and a claimant who disappears blocks the job for an hour at most."""
REVIEW_SECONDS = 600
"""Without an arbiter there are no disputes: enough time to accept, and a short wait for the worker."""
ARBITRATED_REVIEW_SECONDS = DAY
"""With an arbiter, the creator has a day to check the result. A dispute is only possible within it."""
ARBITRATION_SECONDS = 3 * DAY
"""Covers a weekend. With the review it stays below the seven days that workers wait at most."""
BONDS_IN_REWARD = 10
"""A bond is a tenth of the reward: blocking a job has a cost, and a new worker can afford it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A creator's offer for one scene. Spans are in seconds; `None` means this module's default."""

    reward_fri: int
    bond_fri: int | None = None
    deadline_seconds: int | None = None
    lease_seconds: int | None = None
    review_seconds: int | None = None
    arbitration_seconds: int | None = None
    arbiter: Address = NOBODY
    worker: Address = NOBODY

    def terms(self, now: int) -> Terms:
        """The terms of an order posted at `now`, in chain seconds."""
        review = REVIEW_SECONDS if self.arbiter == NOBODY else ARBITRATED_REVIEW_SECONDS
        # Rounded up, so that the smallest reward still has a bond.
        bond_fri = -(-self.reward_fri // BONDS_IN_REWARD)
        return Terms(
            reward_fri=self.reward_fri,
            bond_fri=_or(self.bond_fri, bond_fri),
            deadline=now + _or(self.deadline_seconds, DEADLINE_SECONDS),
            lease_seconds=_or(self.lease_seconds, LEASE_SECONDS),
            review_seconds=_or(self.review_seconds, review),
            arbitration_seconds=_or(self.arbitration_seconds, ARBITRATION_SECONDS),
            arbiter=self.arbiter,
            worker=self.worker,
        )


def _or(value: int | None, default: int) -> int:
    # Not `or`: 0 is a valid value, as for a review.
    return default if value is None else value
