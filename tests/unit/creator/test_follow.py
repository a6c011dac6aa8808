"""Following one job to its end, and listing many."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.fakes.registry import FakeRegistry
from tests.unit.creator.stage import ARTIST, OUTSIDER, PNG, STRK, Stage

from veriframe.creator.jobs import Jobs
from veriframe.errors import (
    MoveRefused,
    RegistryUnavailable,
)
from veriframe.model.registry.job import JobState
from veriframe.model.registry.job_status import JobStatus
from veriframe.model.registry.offer import LEASE_SECONDS, Offer
from veriframe.ports.registry import Snapshot


class _CancelsAtTenth(FakeRegistry):
    """Cancels the job at the tenth poll; each poll takes a tenth of an hour."""

    polls = 0

    async def snapshot(self, first: int, count: int) -> Snapshot:
        self.polls += 1
        self.shared.now += 360
        if self.polls == 10:
            await self.cancel_job(first)
        return await super().snapshot(first, count)


async def changes(jobs: Jobs, job_id: int) -> AsyncIterator[JobStatus]:
    """The statuses that are news."""
    async for followed in jobs.followed(job_id, 0.0):
        if followed.is_news:
            yield followed.status


async def _list(statuses: AsyncIterator[JobStatus]) -> list[JobStatus]:
    return [status async for status in statuses]


async def test_a_job_is_followed_to_its_end(stage: Stage) -> None:
    """Each change once, whatever the number of polls; the last is final."""
    job_id = await stage.posted()
    await stage.worker.deposit(STRK)
    seen = []
    async for status in changes(stage.creator, job_id):
        seen.append(status.job.state)
        if status.job.state is JobState.OPEN:
            await stage.worker.claim(job_id)
        elif status.job.state is JobState.CLAIMED:
            await stage.worker.submit_result(job_id, stage.store.keep(PNG))
        elif status.job.state is JobState.SUBMITTED:
            await stage.creator.accept(job_id)
    assert seen == [JobState.OPEN, JobState.CLAIMED, JobState.SUBMITTED, JobState.PAID]


async def test_a_limit_that_passes_is_a_change(stage: Stage) -> None:
    """fault_70: by the registry's time. A lapsed claim is reported although no one made a move."""
    job_id = await stage.claimed()
    seen = []
    async for status in changes(stage.creator, job_id):
        seen.append((status.job.state, status.waits_for and status.waits_for[0]))
        if len(seen) == 2:
            await stage.registry.cancel_job(job_id)
        stage.shared.now += LEASE_SECONDS
    assert seen == [(JobState.CLAIMED, "lease"), (JobState.CLAIMED, "deadline"), (JobState.REFUNDED, None)]


async def test_polls_that_find_nothing_new_are_not_changes(stage: Stage) -> None:
    """Time alone is not a change: nine polls of a waiting job and one after a move are two changes.

    One more read shows that no other job needs the scene.
    """
    job_id = await stage.posted()

    registry = _CancelsAtTenth(ARTIST, stage.shared)
    seen = await _list(changes(stage.creator_at(registry), job_id))
    states = [status.job.state for status in seen]
    assert (registry.polls, states) == (11, [JobState.OPEN, JobState.REFUNDED])


@pytest.mark.usefixtures("hurried_retries")
async def test_polling_survives_a_short_outage_of_the_registry(stage: Stage) -> None:
    """fault_58: the creator sees the job as without the outage."""
    job_id = await stage.posted()
    await stage.creator.cancel(job_id)
    stage.shared.faults += [RegistryUnavailable("The registry does not answer.")] * 4
    statuses = await _list(stage.creator.statuses(job_id, 0.0))
    assert [status.job.state for status in statuses] == [JobState.REFUNDED]
    assert stage.shared.faults == []


@pytest.mark.usefixtures("hurried_retries")
async def test_a_long_outage_of_the_registry_ends_the_watch(stage: Stage) -> None:
    """fault_58: with the registry's error, not silently forever."""
    job_id = await stage.posted()
    stage.shared.faults += [RegistryUnavailable("The registry does not answer.")] * 5
    with pytest.raises(RegistryUnavailable):
        await _list(stage.creator.statuses(job_id, 0.0))


async def test_an_unknown_job_is_not_polled(stage: Stage) -> None:
    """A refusal is final; only a missing answer is retried."""
    with pytest.raises(MoveRefused) as raised:
        await _list(stage.creator.statuses(7, 0.0))
    assert raised.value.rule == "UNKNOWN_JOB"


async def _many(stage: Stage, count: int) -> None:
    await stage.registry.deposit(count)
    await stage.registry.create_order(
        "a scene", Offer(reward_fri=1, bond_fri=1).terms(stage.shared.now), count
    )


async def test_450_jobs_are_listed_newest_first(stage: Stage) -> None:
    """fault_14: over several batches of the registry, none twice, none missing."""
    await _many(stage, 450)
    listed = await stage.creator.jobs((), own=True, limit=1000)
    assert list(range(450, 0, -1)) == [status.job.id for status in listed]


async def test_a_limit_reads_no_more_than_it_needs(stage: Stage) -> None:
    """fault_14: the newest ten of 450 take two reads: the counter and one batch."""
    await _many(stage, 450)
    before = stage.shared.reads
    listed = await stage.creator.jobs((), own=True, limit=10)
    assert (list(range(450, 440, -1)), 2) == (
        [status.job.id for status in listed],
        stage.shared.reads - before,
    )


async def test_thousands_of_jobs_are_few_reads(stage: Stage) -> None:
    """Each returns as many jobs as the registry allows; one more returns the number of the jobs."""
    await _many(stage, 5000)
    before = stage.shared.reads
    assert len(await stage.creator.jobs((), own=True, limit=10**6)) == 5000
    assert stage.shared.reads - before == 1 + 5000 // stage.registry.jobs_at_once


async def test_jobs_are_chosen_by_state_and_by_creator(stage: Stage) -> None:
    """The account's own jobs or everyone's, in any of several states."""
    first, second, third = await stage.posted(), await stage.posted(), await stage.posted()
    await stage.creator.cancel(second)
    other = FakeRegistry(OUTSIDER, stage.shared, wallet_fri=STRK)
    await other.deposit(STRK)
    [fourth] = await other.create_order("a scene", Offer(reward_fri=STRK).terms(stage.shared.now), 1)

    async def ids(*states: JobState, own: bool) -> list[int]:
        return [status.job.id for status in await stage.creator.jobs(states, own=own, limit=9)]

    assert [third, second, first] == await ids(own=True)
    assert [fourth, third, second, first] == await ids(own=False)
    assert [third, first] == await ids(JobState.OPEN, own=True)
    assert [third, second, first] == await ids(JobState.OPEN, JobState.REFUNDED, own=True)
    assert await ids(JobState.PAID, own=False) == []


async def test_a_registry_without_jobs_lists_none(stage: Stage) -> None:
    """No batch is read."""
    assert list(await stage.creator.jobs((), own=False, limit=5)) == []
