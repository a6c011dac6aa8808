"""Orders, jobs and their states in the registry. Money is `int` in fri (10⁻¹⁸ STRK)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

Address = NewType("Address", int)
"""A StarkNet address: a felt, 0 … 2^251 + 17·2^192. `NOBODY` (0) means none."""

NOBODY = Address(0)


class JobState(StrEnum):
    """The registry's truth about a job. "Lapsed" is derived (see `Job.is_lapsed`), never stored."""

    OPEN = "OPEN"
    CLAIMED = "CLAIMED"
    SUBMITTED = "SUBMITTED"
    DISPUTED = "DISPUTED"
    PAID = "PAID"
    REFUNDED = "REFUNDED"

    @property
    def is_final(self) -> bool:
        """Whether no move leads out of this state."""
        return self in (JobState.PAID, JobState.REFUNDED)


class Verdict(StrEnum):
    """An arbiter's decision on a disputed job."""

    WORKER = "WORKER"
    CREATOR = "CREATOR"
    NEITHER = "NEITHER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a creator offers, the same for every job of an order. Immutable once posted.

    `deadline` is in chain seconds (Unix time of the registry's blocks), the three spans in seconds.
    """

    reward_fri: int
    bond_fri: int
    deadline: int
    lease_seconds: int
    review_seconds: int
    arbitration_seconds: int
    arbiter: Address = NOBODY
    worker: Address = NOBODY


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One asset, one set of terms, and `jobs` jobs with the ids `first_job … first_job + jobs - 1`."""

    id: int
    creator: Address
    asset_cid: str
    terms: Terms
    first_job: int
    jobs: int
    created_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One paid part of an order.

    Times are in chain seconds, 0 if they do not apply. `worker` is `NOBODY` while OPEN. `result_cid` is empty
    before a submission. `submitted_block` and `disputed_block` are block numbers, 0 before the move.
    """

    id: int
    order: Order
    part: int
    state: JobState = JobState.OPEN
    worker: Address = NOBODY
    claimed_at: int = 0
    lease_end: int = 0
    review_end: int = 0
    arbitration_end: int = 0
    submitted_block: int = 0
    disputed_block: int = 0
    result_cid: str = ""

    @property
    def terms(self) -> Terms:
        """The order's terms."""
        return self.order.terms

    def is_lapsed(self, now: int) -> bool:
        """Whether the claimant let the lease run out without submitting."""
        return self.state is JobState.CLAIMED and now >= self.lease_end

    def is_open(self, now: int) -> bool:
        """Whether state and time allow a claim now."""
        free = self.state is JobState.OPEN or self.is_lapsed(now)
        return free and now < self.terms.deadline


@dataclass(frozen=True, slots=True)
class Head:
    """The registry's newest block: its number and its time in chain seconds."""

    number: int
    time: int


def format_address(address: Address) -> str:
    """Format an address as `0x…` in lower case, without leading zeros."""
    return f"{address:#x}"
