"""The status of a job: its current time limit, and whether a dispute is possible."""

from __future__ import annotations

import pytest

from veriframe.model.registry.job import NOBODY, Address, Job, JobState, Order, Terms
from veriframe.model.registry.job_status import JobStatus

ARBITER = Address(3)
DEADLINE, LEASE_END, REVIEW_END, ARBITRATION_END = 1000, 500, 600, 700


def status_of(state: JobState, now: int, arbiter: Address = ARBITER) -> JobStatus:
    """A job in a state, with every time limit set."""
    terms = Terms(
        reward_fri=10,
        bond_fri=1,
        deadline=DEADLINE,
        lease_seconds=60,
        review_seconds=60,
        arbitration_seconds=60,
        arbiter=arbiter,
    )
    order = Order(
        id=1, creator=Address(1), asset_cid="a scene", terms=terms, first_job=1, jobs=1, created_at=0
    )
    job = Job(
        id=1,
        order=order,
        part=0,
        state=state,
        lease_end=LEASE_END,
        review_end=REVIEW_END,
        arbitration_end=ARBITRATION_END,
    )
    return JobStatus(job, now)


@pytest.mark.parametrize(
    ("state", "now", "limit"),
    [
        (JobState.OPEN, DEADLINE - 1, ("deadline", DEADLINE)),
        (JobState.OPEN, DEADLINE, None),
        (JobState.CLAIMED, LEASE_END - 1, ("lease", LEASE_END)),
        (JobState.CLAIMED, LEASE_END, ("deadline", DEADLINE)),
        (JobState.CLAIMED, DEADLINE, None),
        (JobState.SUBMITTED, REVIEW_END - 1, ("review", REVIEW_END)),
        (JobState.SUBMITTED, REVIEW_END, None),
        (JobState.DISPUTED, ARBITRATION_END - 1, ("arbitration", ARBITRATION_END)),
        (JobState.DISPUTED, ARBITRATION_END, None),
        (JobState.PAID, 0, None),
        (JobState.REFUNDED, 0, None),
    ],
)
def test_the_limit_that_runs(state: JobState, now: int, limit: tuple[str, int] | None) -> None:
    """Half open, as in the registry: a limit is running before its end. A lapsed claim counts as open."""
    assert limit == status_of(state, now).waits_for


@pytest.mark.parametrize(
    ("state", "now", "arbiter", "may"),
    [
        (JobState.SUBMITTED, REVIEW_END - 1, ARBITER, True),
        (JobState.SUBMITTED, REVIEW_END, ARBITER, False),
        (JobState.SUBMITTED, REVIEW_END - 1, NOBODY, False),
        *((state, 0, ARBITER, False) for state in JobState if state is not JobState.SUBMITTED),
    ],
)
def test_when_a_dispute_is_possible(state: JobState, now: int, arbiter: Address, may: bool) -> None:
    """After a submission, during the review, if there is an arbiter."""
    assert may is status_of(state, now, arbiter).may_be_disputed
