"""Which open jobs are remembered if there are more than the limit."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from tests.fakes.bench import Bench

from veriframe.model.registry.job import Address, Job
from veriframe.worker.intake.candidates import CandidateLimits, Candidates
from veriframe.worker.intake.discovery import Discovery


def by_reward(job: Job) -> int:
    """The best paid first."""
    return -job.terms.reward_fri


def ids(candidates: Candidates) -> list[int]:
    """Returns the ids in order."""
    return [job.id for job in candidates.ranked()]


async def test_the_worst_ranked_is_dropped_without_room(bench: Bench) -> None:
    """fault_82: earlier jobs have no right to stay; a better job always finds its place."""
    jobs = [(await bench.post(reward_fri=reward_fri))[0] for reward_fri in range(1, 31)]
    candidates = Candidates(by_reward, CandidateLimits(in_all=10))
    for job in jobs:
        candidates.put(job)
    assert ids(candidates)[:10] == list(range(30, 20, -1))
    assert len(candidates) <= 11
    assert candidates.has_left_out


async def test_an_order_fills_no_more_than_its_share(bench: Bench) -> None:
    """fault_82: the rest of it is read again when there is room for it, from its first job on."""
    jobs = await bench.post(jobs=7)
    (other,) = await bench.post()
    candidates = Candidates(by_reward, CandidateLimits(per_order=4))
    for job in [*jobs, other]:
        candidates.put(job)
    assert ids(candidates) == [1, 2, 3, 4, 8]
    assert not candidates.next_left_out()
    candidates.drop(1)
    candidates.drop(2)
    assert list(candidates.next_left_out()) == [5]
    assert not candidates.next_left_out(), "returned once; what is still left out then is returned again"
    for job in jobs[2:]:
        candidates.put(job)
    assert ids(candidates) == [3, 4, 8, 5, 6]
    assert candidates.has_left_out


async def test_a_creator_fills_no_more_than_its_share(bench: Bench) -> None:
    """fault_82: with any number of orders."""
    jobs = [(await bench.post())[0] for _ in range(5)]
    others_job = replace(jobs[0], id=99, order=replace(jobs[0].order, id=99, creator=Address(77)))
    candidates = Candidates(by_reward, CandidateLimits(per_creator=3))
    for job in [*jobs, others_job]:
        candidates.put(job)
    assert ids(candidates) == [1, 2, 3, 99]


async def test_jobs_that_are_gone_are_forgotten(bench: Bench) -> None:
    """fault_11: also those that were left out."""
    jobs = await bench.post(jobs=5)
    candidates = Candidates(by_reward, CandidateLimits(per_order=2))
    for job in jobs:
        candidates.put(job)
    candidates.drop_above(1)
    assert (ids(candidates), candidates.has_left_out) == ([1], False)


async def test_all_jobs_of_a_long_order_have_their_turn(bench: Bench) -> None:
    """fault_82: jobs left out are found again without a round through the whole registry."""
    await bench.post(jobs=2000)
    (first, *_) = await bench.post(jobs=40)
    hours = (3600.0 * hour for hour in count())
    limits = CandidateLimits(per_order=5)
    found = Discovery(bench.registry, bench.policy, lambda _: True, bounds=limits, monotonic=hours.__next__)
    taken: set[int] = set()
    for _ in range(60):
        await found.poll()
        for job in found.candidates:
            if job.order.id == first.order.id and await found.is_still_open(job.id):
                taken.add(job.id)
                bench.shared.apply(bench.shared.claim(job.id, bench.shared.call(bench.other.account)))
        if len(taken) == 40:
            break
    assert taken == set(range(2001, 2041))
