"""The docket shows the disputes that reading everything would show, with few requests."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.registry import FakeRegistry, Shared
from tests.unit.model.registry.test_disputes import ARBITER, dispute

from veriframe.arbiter.docket import ALL_SECONDS, Docket
from veriframe.model.registry.job import Address, JobState
from veriframe.ports.registry import read_disputes

OTHER = Address(8)


class Chain:
    """A registry of 1000 jobs, four of which name our arbiter, and a docket of it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.shared = Shared()
        self.shared.jobs = {number: dispute(number, 50, OTHER) for number in range(1, 1001)}
        for number in (3, 4, 500, 990):
            self.put(number, JobState.OPEN)
        self.reader = FakeRegistry(9, self.shared)
        self.docket = Docket(self.reader, ARBITER, lambda: self.now)

    def put(self, number: int, state: JobState, end: int = 0) -> None:
        """Make a job that names our arbiter."""
        self.shared.jobs[number] = replace(dispute(number, end), state=state)

    async def read(self) -> tuple[list[int], int]:
        """The disputes, which must be those that reading everything shows, and the requests."""
        before = self.shared.reads
        found = [job.id for job in await self.docket.read()]
        requests = self.shared.reads - before
        assert found == [job.id for job in await read_disputes(self.reader, ARBITER)]
        return found, requests


@pytest.fixture
def chain() -> Chain:
    """A registry that was not read yet."""
    return Chain()


async def test_old_jobs_that_name_the_arbiter_are_followed(chain: Chain) -> None:
    """Until they are over; jobs of other arbiters are not read again."""
    assert await chain.read() == ([], 6)
    chain.put(500, JobState.DISPUTED, end=70)
    chain.put(3, JobState.DISPUTED, end=80)
    chain.put(990, JobState.DISPUTED, end=60)
    assert await chain.read() == ([990, 500, 3], 4)
    chain.put(500, JobState.PAID)
    assert await chain.read() == ([990, 3], 4)
    assert await chain.read() == ([990, 3], 3)


async def test_new_jobs_are_found(chain: Chain) -> None:
    """However many come between two reads."""
    await chain.read()
    for number in range(1001, 1700):
        chain.shared.jobs[number] = dispute(number, 50, OTHER)
    chain.put(1300, JobState.DISPUTED, end=70)
    found, _ = await chain.read()
    assert found == [1300]


async def test_jobs_that_a_reorganisation_replaced_are_found(chain: Chain) -> None:
    """The newest page is read each time, all of it after a step back, and all from time to time."""
    await chain.read()
    chain.put(950, JobState.DISPUTED, end=70)
    assert (await chain.read())[0] == [950]
    chain.put(400, JobState.DISPUTED, end=60)
    del chain.shared.jobs[1000]
    assert (await chain.read())[0] == [400, 950]
    chain.put(300, JobState.DISPUTED, end=50)
    chain.now += ALL_SECONDS
    assert (await chain.read())[0] == [300, 400, 950]


async def test_an_empty_registry_has_no_disputes() -> None:
    """Nor does one with fewer jobs than a page."""
    shared = Shared()
    docket = Docket(FakeRegistry(9, shared), ARBITER)
    assert await docket.read() == []
    shared.jobs = {1: dispute(1, 50)}
    assert [job.id for job in await docket.read()] == [1]
