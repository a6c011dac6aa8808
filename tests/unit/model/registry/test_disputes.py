"""The disputes of one arbiter, the most urgent first."""

from __future__ import annotations

from dataclasses import replace

from tests.fakes.registry import FakeRegistry, Shared

from veriframe.model.registry.disputes import disputes_of
from veriframe.model.registry.job import NOBODY, Address, Job, JobState, Order, Terms
from veriframe.ports.registry import read_disputes

ARBITER = Address(7)
TERMS = Terms(
    reward_fri=1,
    bond_fri=1,
    deadline=10,
    lease_seconds=1,
    review_seconds=1,
    arbitration_seconds=1,
    arbiter=ARBITER,
)
ORDER = Order(id=1, creator=Address(1), asset_cid="cid", terms=TERMS, first_job=1, jobs=900, created_at=1)


def dispute(job_id: int, end: int, arbiter: Address = ARBITER) -> Job:
    """A disputed job."""
    order = replace(ORDER, terms=replace(TERMS, arbiter=arbiter))
    return Job(id=job_id, order=order, part=0, state=JobState.DISPUTED, arbitration_end=end)


def test_the_most_urgent_dispute_is_the_first() -> None:
    """By the end of its arbitration, then by its id; of other arbiters' and other states none."""
    jobs = [
        dispute(1, 30),
        dispute(2, 20),
        dispute(3, 5, arbiter=Address(8)),
        dispute(4, 20),
        *(replace(dispute(5, 1), state=state) for state in JobState if state is not JobState.DISPUTED),
    ]
    assert [job.id for job in disputes_of(jobs, ARBITER)] == [2, 4, 1]


def test_nobody_has_no_disputes() -> None:
    """A job without an arbiter is nobody's, and not that of an account that is not known."""
    assert disputes_of([dispute(1, 30, arbiter=NOBODY)], NOBODY) == []


async def test_all_disputes_of_a_registry_are_read() -> None:
    """However many jobs there are: page by page."""
    shared = Shared()
    ends = {number: 5000 - number for number in range(1, 900)}
    shared.jobs = {number: dispute(number, end, Address(6 + number % 2)) for number, end in ends.items()}
    found = await read_disputes(FakeRegistry(9, shared), ARBITER)
    assert [job.id for job in found] == list(range(899, 0, -2))
    assert await read_disputes(FakeRegistry(9, Shared()), ARBITER) == []
