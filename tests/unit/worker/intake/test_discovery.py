"""Discovery: new jobs at once, old ones in rounds, with two calls per poll for any number of jobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import pytest
from tests.fakes.bench import LEASE_SECONDS, OTHER, Bench
from tests.unit.worker.clock import ManualClock

from veriframe.errors import Code
from veriframe.model.attempt.policy import Policy
from veriframe.model.registry.job import Address, Job, JobState
from veriframe.worker.intake.candidates import CandidateLimits
from veriframe.worker.intake.discovery import FRESH_SECONDS, MOST_NEW, ROUND_EVERY, Discovery

WIDE = CandidateLimits(in_all=10**6, per_creator=10**6, per_order=10**6)
"""No limits for the orders of a test."""
SIZE = 200
"""The jobs that the fake registry returns in one poll."""


def discovery(
    bench: Bench,
    *,
    settled: frozenset[int] = frozenset(),
    policy: Policy | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Discovery:
    """Returns a discovery that may try all jobs but `settled`."""
    return Discovery(
        bench.registry,
        policy or bench.policy,
        lambda job: job.id not in settled,
        bounds=WIDE,
        monotonic=clock,
    )


async def polled(found: Discovery, wanted: Collection[int] = ()) -> Sequence[Job]:
    """Returns the candidates after one more poll."""
    await found.poll(wanted)
    return found.candidates


async def test_a_new_job_is_found_at_once(bench: Bench) -> None:
    """However many came before it."""
    await bench.post(jobs=450)
    found = discovery(bench)
    await found.poll()
    (new,) = await bench.post()
    assert new in await polled(found)


async def test_a_new_job_without_an_event_is_found_by_the_counter(bench: Bench) -> None:
    """fault_13: events are hints; the poll that follows shows that there are more jobs."""
    await bench.post(jobs=450)
    found = discovery(bench)
    await found.poll()
    bench.shared.has_no_events = True
    (new,) = await bench.post()
    assert new in await polled(found)


@pytest.mark.parametrize("jobs", [1, 100, 900])
async def test_a_poll_is_two_calls_whatever_the_number_of_jobs(bench: Bench, jobs: int) -> None:
    """One for hints, one for some jobs."""
    await bench.post(jobs=jobs)
    found = discovery(bench)
    await found.poll()
    for _ in range(5):
        bench.shared.reads = 0
        await found.poll()
        assert bench.shared.reads == 2


async def test_a_new_job_costs_no_extra_call(bench: Bench) -> None:
    """The poll that its event causes reads it."""
    await bench.post(jobs=500)
    found = discovery(bench)
    await found.poll()
    await bench.post(jobs=3)
    bench.shared.reads = 0
    assert len(await polled(found)) == 503
    assert bench.shared.reads == 2


async def test_a_flood_does_not_delay_a_poll(bench: Bench) -> None:
    """fault_14: a poll reads a limited number of new jobs; the next one continues."""
    await bench.post(jobs=2 * MOST_NEW)
    found = discovery(bench)
    assert len(await polled(found)) == MOST_NEW + SIZE
    assert not found.has_seen_all
    assert len(await polled(found)) == 2 * MOST_NEW
    assert found.has_seen_all


async def test_a_job_that_is_open_again_is_found_by_its_event(bench: Bench) -> None:
    """In the next poll, wherever the round is."""
    await bench.post(jobs=3 * SIZE)
    bench.shared.credits[OTHER] = 10**9
    await bench.other.claim(450)
    found = discovery(bench)
    await found.poll()
    assert 450 not in {job.id for job in found.candidates}
    await bench.other.release(450, Code.CRASH)
    assert 450 in {job.id for job in await polled(found)}


async def test_a_job_that_is_open_again_without_an_event_is_found_later(bench: Bench) -> None:
    """By the round: after as many polls as there are windows, each job was read again."""
    await bench.post(jobs=3 * SIZE)
    bench.shared.credits[OTHER] = 10**9
    for job_id in range(1, 3 * SIZE + 1):
        await bench.other.claim(job_id)
    found = discovery(bench)
    assert await polled(found) == []
    bench.shared.now += LEASE_SECONDS
    for _ in range(3):
        await found.poll()
    assert {job.id for job in found.candidates} == set(range(1, 3 * SIZE + 1))


async def test_hints_do_not_stop_the_round(bench: Bench) -> None:
    """An account that causes events all the time cannot hide other jobs."""
    await bench.post(jobs=3 * SIZE)
    found = discovery(bench)
    await found.poll()
    bench.shared.jobs[3 * SIZE] = replace(bench.job(3 * SIZE), state=JobState.SUBMITTED)
    for _ in range(3 * ROUND_EVERY):
        await found.poll([1])
    assert 3 * SIZE not in {job.id for job in found.candidates}


async def test_wanted_jobs_are_read_now(bench: Bench) -> None:
    """Jobs that are close together share one poll; the others come next."""
    await bench.post(jobs=3 * SIZE)
    found = discovery(bench)
    await found.poll()
    snapshot, _ = await found.poll([500, 510])
    assert {500, 510} <= {job.id for job in snapshot.jobs}
    shown: set[int] = set()
    await found.poll([2, 600])
    for _ in range(2):
        snapshot, _ = await found.poll()
        shown |= {job.id for job in snapshot.jobs}
    assert 600 in shown


async def test_news_are_reported(bench: Bench) -> None:
    """A hint, or another number of jobs; nothing else."""
    found = discovery(bench)
    await found.poll()
    assert not (await found.poll())[1]
    await bench.post()
    assert (await found.poll())[1]
    assert not (await found.poll())[1]
    bench.shared.has_no_events = True
    await bench.post()
    assert (await found.poll())[1]


async def test_jobs_that_a_reorganisation_removed_are_forgotten(bench: Bench) -> None:
    """fault_11: the counter goes back, and the jobs in their place are found."""
    await bench.post(jobs=5)
    found = discovery(bench)
    assert len(await polled(found)) == 5
    for job_id in (4, 5):
        del bench.shared.jobs[job_id]
    assert [job.id for job in sorted(await polled(found), key=lambda job: job.id)] == [1, 2, 3]
    assert found.has_seen_all
    await bench.post(jobs=1)
    assert len(await polled(found)) == 4


async def test_what_was_read_at_the_start_is_not_read_again(bench: Bench) -> None:
    """fault_82: from the newest down, each once, and after that only by the round."""
    await bench.post(jobs=3 * MOST_NEW)
    received: list[int] = []
    found = Discovery(
        bench.registry,
        bench.policy,
        lambda _: True,
        on_read=lambda jobs, _: received.extend(job.id for job in jobs),
        bounds=WIDE,
    )
    while not found.has_read_all:
        await found.poll()
    old = [*range(1, SIZE + 1), *range(2 * MOST_NEW + 1, 3 * MOST_NEW + 1)]
    assert received[: len(old)] == old
    assert sorted(set(received)) == list(range(1, 3 * MOST_NEW + 1))
    bench.shared.reads = 0
    assert len(await polled(found)) == 3 * MOST_NEW
    assert bench.shared.reads == 2


async def test_a_claimed_job_is_no_longer_a_candidate(bench: Bench) -> None:
    """It is read again right before it is started, unless that was done a moment ago."""
    (job,) = await bench.post()
    found = discovery(bench, clock=(clock := ManualClock()))
    assert await polled(found) == [job]
    await bench.other.claim(1)
    clock.seconds += FRESH_SECONDS
    assert await found.is_still_open(1)
    clock.seconds += 1
    assert not await found.is_still_open(1)
    assert await polled(found) == []


async def test_a_missing_job_is_no_longer_a_candidate(bench: Bench) -> None:
    """The registry does not know it."""
    await bench.post()
    found = discovery(bench, clock=(clock := ManualClock()))
    await found.poll()
    bench.shared.jobs.clear()
    clock.seconds += 2 * FRESH_SECONDS
    assert not await found.is_still_open(1)


async def test_the_best_paid_come_first(bench: Bench) -> None:
    """By reward, whatever their ids."""
    for reward_fri in (5, 50, 20):
        await bench.post(reward_fri=reward_fri)
    assert [job.terms.reward_fri for job in await polled(discovery(bench))] == [50, 20, 5]


async def test_two_workers_do_not_race_for_the_same_job(bench: Bench) -> None:
    """Among jobs with the same pay, each account has its own order, always the same one."""
    await bench.post(jobs=50)

    async def order(account: int) -> list[int]:
        policy = replace(bench.policy, account=Address(account))
        return [job.id for job in await polled(discovery(bench, policy=policy))]

    assert await order(1) == await order(1)
    assert await order(1) != await order(2)
    assert set(await order(1)) == set(await order(2))


async def test_an_empty_registry_has_no_jobs(bench: Bench) -> None:
    """And it was read completely."""
    found = discovery(bench)
    assert await polled(found) == []
    assert found.has_seen_all


async def test_own_jobs_are_read_despite_a_flood_of_events(bench: Bench) -> None:
    """fault_82: thousands of events about old jobs do not delay the pay for a result of ours."""
    await bench.post(jobs=3 * SIZE)
    found = discovery(bench)
    await found.poll()
    shown: set[int] = set()
    for _ in range(2):
        found._wanted |= set(range(1, 2 * SIZE))
        snapshot, _ = await found.poll([3 * SIZE])
        shown |= {job.id for job in snapshot.jobs}
    assert 3 * SIZE in shown
