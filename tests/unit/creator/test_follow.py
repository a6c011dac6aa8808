"""Following one job to its end, and listing many."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.fakes.registry import FakeRegistry
from tests.unit.creator.stage import ARTIST, PNG, STRANGER, STRK, Stage

from veriframe.errors import (
    MoveRefused,
    RegistryUnavailable,
)
from veriframe.model.registry.job import JobState
from veriframe.model.registry.job_status import JobStatus
from veriframe.model.registry.offer import LEASE_SECONDS, Offer
from veriframe.ports.registry import Snapshot


class _CancelsAtTenth(FakeRegistry):
    """Looked at for the tenth time, a job is cancelled, and an hour's tenth has passed at each look."""

    looks = 0

    async def snapshot(self, first: int, count: int) -> Snapshot:
        self.looks += 1
        self.shared.now += 360
        if self.looks == 10:
            await self.cancel_job(first)
        return await super().snapshot(first, count)


async def _list(statuses: AsyncIterator[JobStatus]) -> list[JobStatus]:
    return [status async for status in statuses]


async def test_a_job_is_followed_to_its_end(stage: Stage) -> None:
    """Each change once, however often it is looked at; the last is final."""
    job_id = await stage.posted()
    await stage.worker.deposit(STRK)
    seen = []
    async for status in stage.creator.changes(job_id, 0.0):
        seen.append(status.job.state)
        if status.job.state is JobState.OPEN:
            await stage.worker.claim(job_id)
        elif status.job.state is JobState.CLAIMED:
            await stage.worker.submit_result(job_id, stage.store.keep(PNG))
        elif status.job.state is JobState.SUBMITTED:
            await stage.creator.accept(job_id)
    assert seen == [JobState.OPEN, JobState.CLAIMED, JobState.SUBMITTED, JobState.PAID]


async def test_a_limit_that_passes_is_a_change(stage: Stage) -> None:
    """fault_70: by the registry's time. A claim that lapses is told though nobody made a move."""
    job_id = await stage.claimed()
    seen = []
    async for status in stage.creator.changes(job_id, 0.0):
        seen.append((status.job.state, status.waits_for and status.waits_for[0]))
        if len(seen) == 2:
            await stage.registry.cancel_job(job_id)
        stage.shared.now += LEASE_SECONDS
    assert seen == [(JobState.CLAIMED, "lease"), (JobState.CLAIMED, "deadline"), (JobState.REFUNDED, None)]


async def test_looks_that_find_nothing_new_are_not_changes(stage: Stage) -> None:
    """Time alone is no change: nine looks at a job that waits, then one at a move, are two changes."""
    job_id = await stage.posted()

    patient = _CancelsAtTenth(ARTIST, stage.shared)
    seen = await _list(stage.creator_at(patient).changes(job_id, 0.0))
    assert (patient.looks, [look.job.state for look in seen]) == (10, [JobState.OPEN, JobState.REFUNDED])


@pytest.mark.usefixtures("hurried_retries")
async def test_a_registry_that_is_away_for_a_while_is_waited_for(stage: Stage) -> None:
    """fault_58: the creator sees the job as if nothing had been."""
    job_id = await stage.posted()
    await stage.creator.cancel(job_id)
    stage.shared.faults += [RegistryUnavailable("The registry does not answer.")] * 4
    assert [look.job.state for look in await _list(stage.creator.statuses(job_id, 0.0))] == [
        JobState.REFUNDED
    ]
    assert stage.shared.faults == []


@pytest.mark.usefixtures("hurried_retries")
async def test_a_registry_that_stays_away_ends_the_watch(stage: Stage) -> None:
    """fault_58: with its own sentence, not for ever in silence."""
    job_id = await stage.posted()
    stage.shared.faults += [RegistryUnavailable("The registry does not answer.")] * 5
    with pytest.raises(RegistryUnavailable, match="does not answer"):
        await _list(stage.creator.statuses(job_id, 0.0))


async def test_a_job_that_was_never_given_is_not_waited_for(stage: Stage) -> None:
    """The registry's no is final; only silence is tried again."""
    with pytest.raises(MoveRefused) as raised:
        await _list(stage.creator.statuses(7, 0.0))
    assert raised.value.rule == "UNKNOWN_JOB"


async def _many(stage: Stage, count: int) -> None:
    await stage.registry.deposit(count)
    await stage.registry.create_order(
        "a scene", Offer(reward_fri=1, bond_fri=1).terms(stage.shared.now), count
    )


async def test_450_jobs_are_listed_newest_first(stage: Stage) -> None:
    """fault_14: over several pages of the registry, none twice, none left out."""
    await _many(stage, 450)
    listed = await stage.creator.jobs((), own=True, limit=1000)
    assert list(range(450, 0, -1)) == [status.job.id for status in listed]


async def test_a_limit_reads_no_more_than_it_needs(stage: Stage) -> None:
    """fault_14: the newest ten of 450 are one page: a look at the counter, and one batch."""
    await _many(stage, 450)
    before = stage.shared.reads
    listed = await stage.creator.jobs((), own=True, limit=10)
    assert (list(range(450, 440, -1)), 2) == (
        [status.job.id for status in listed],
        stage.shared.reads - before,
    )


async def test_thousands_of_jobs_are_a_handful_of_reads(stage: Stage) -> None:
    """The first page is small, the others are large."""
    await _many(stage, 5000)
    before = stage.shared.reads
    assert len(await stage.creator.jobs((), own=True, limit=10**6)) == 5000
    assert stage.shared.reads - before == 5


async def test_jobs_are_chosen_by_state_and_by_creator(stage: Stage) -> None:
    """One's own by default, others' too where asked; any of several states."""
    first, second, third = await stage.posted(), await stage.posted(), await stage.posted()
    await stage.creator.cancel(second)
    other = FakeRegistry(STRANGER, stage.shared, wallet_fri=STRK)
    await other.deposit(STRK)
    [fourth] = await other.create_order("a scene", Offer(reward_fri=STRK).terms(stage.shared.now), 1)

    async def ids(*states: JobState, own: bool) -> list[int]:
        return [look.job.id for look in await stage.creator.jobs(states, own=own, limit=9)]

    assert [third, second, first] == await ids(own=True)
    assert [fourth, third, second, first] == await ids(own=False)
    assert [third, first] == await ids(JobState.OPEN, own=True)
    assert [third, second, first] == await ids(JobState.OPEN, JobState.REFUNDED, own=True)
    assert await ids(JobState.PAID, own=False) == []


async def test_a_registry_without_jobs_lists_none(stage: Stage) -> None:
    """No page is asked for."""
    assert list(await stage.creator.jobs((), own=False, limit=5)) == []
