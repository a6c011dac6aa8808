"""Which job falls to which worker at a registry without claims."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.bench import ME, OTHER, Bench
from tests.fakes.claimless import ClaimlessRegistry
from tests.unit.worker.clock import ManualClock

from veriframe.model.registry.job import NOBODY, Address, Job, JobState
from veriframe.worker.intake.rivals import FIRST_SECONDS, MOST, MOST_LEFT, RECENT_SECONDS, Rivals


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A registry, and a creator."""
    return Bench(tmp_path)


def done(job: Job, worker: Address) -> Job:
    """The job with a result."""
    return replace(job, state=JobState.PAID, worker=worker, result_cid="a picture")


class Pair:
    """Two workers who watch the same jobs."""

    def __init__(self, bench: Bench) -> None:
        self.clock, self.now = ManualClock(), bench.shared.now
        self.mine, self.theirs = (
            Rivals(ClaimlessRegistry(account, bench.shared), self.clock) for account in (ME, OTHER)
        )

    def note(self, *jobs: Job) -> None:
        """Both see these jobs."""
        for rivals in (self.mine, self.theirs):
            rivals.note(jobs, self.now, is_news=True)

    def meet(self, *jobs: Job) -> None:
        """Both deliver, and see that."""
        self.note(*jobs)
        self.note(done(jobs[0], ME), done(jobs[1], OTHER))


async def test_each_job_falls_to_one_of_those_who_delivered(bench: Bench) -> None:
    """fault_170: both agree, whatever the rewards. Each begins with its own half, far from the other."""
    jobs = [*await bench.post(jobs=20), *await bench.post(jobs=20, reward_fri=1000)]
    pair = Pair(bench)
    pair.meet(*await bench.post(jobs=2))
    mine, theirs = ([job for job in jobs if not r.rank(job)[0]] for r in (pair.mine, pair.theirs))
    assert sorted(job.id for job in (*mine, *theirs)) == [job.id for job in jobs]
    assert min(len(mine), len(theirs)) > 10
    first, last = (sorted(jobs, key=rivals.rank) for rivals in (pair.mine, pair.theirs))
    assert [job.id for job in first] == [job.id for job in reversed(last)]
    high = sum(job.terms.reward_fri == 1000 for job in first[: len(mine)][:8])
    assert high > 5


async def test_before_anyone_delivered_each_has_its_own_order(bench: Bench) -> None:
    """fault_170: the best paid job is not the first of everybody."""
    jobs = [(await bench.post(reward_fri=100 + bonus))[0] for bonus in range(12)]
    pair = Pair(bench)
    pair.note(*jobs)
    first, last = (min(jobs, key=rivals.rank) for rivals in (pair.mine, pair.theirs))
    assert first != last
    assert not any(rivals.leaves(job) for rivals in (pair.mine, pair.theirs) for job in jobs)


async def test_a_new_job_is_left_to_whom_it_falls(bench: Bench) -> None:
    """fault_170: for about as long as a job takes; then that worker is away until it delivers again."""
    pair = Pair(bench)
    pair.meet(*await bench.post(jobs=2))
    jobs = await bench.post(jobs=20)
    pair.note(*jobs)
    mine, theirs = ({job.id for job in jobs if not r.leaves(job)} for r in (pair.mine, pair.theirs))
    assert (mine & theirs, mine | theirs) == (set(), {job.id for job in jobs})
    pair.clock.seconds += 1.5 * FIRST_SECONDS
    assert not any(pair.mine.leaves(job) for job in jobs)
    fresh = await bench.post(jobs=8)
    pair.note(*fresh)
    assert not any(pair.mine.leaves(job) for job in fresh)


async def test_few_jobs_are_left_to_one_other_worker(bench: Bench) -> None:
    """fault_204: sixteen addresses of one owner, each with one delivery, keep no market from us."""
    own, *first = await bench.post(jobs=17)
    pair = Pair(bench)
    pair.note(own, *first)
    pair.note(*(done(job, Address(1000 + n)) for n, job in enumerate(first)))
    jobs = await bench.post(jobs=100)
    pair.note(*jobs)
    kept = pair.mine.leave(jobs)
    assert len(kept) >= len(jobs) - MOST_LEFT * MOST
    assert len(kept) < len(jobs)
    assert pair.mine.have_some


async def test_who_delivers_to_itself_does_not_count(bench: Bench) -> None:
    """fault_204: such a result says nothing of a worker."""
    first, *jobs = await bench.post(jobs=20)
    pair = Pair(bench)
    pair.note(first, *jobs)
    pair.note(done(first, first.order.creator))
    assert list(pair.mine.leave(jobs)) == jobs


async def test_who_delivered_long_ago_does_not_count(bench: Bench) -> None:
    """fault_170: nor do results from before the start, or whose worker is not shown."""
    first, second, *jobs = await bench.post(jobs=22)
    pair = Pair(bench)
    pair.mine.note([done(first, OTHER)], pair.now, is_news=False)
    pair.note(done(second, NOBODY), *jobs)
    assert not any(pair.mine.leaves(job) for job in jobs)
    pair.note(done(first, OTHER))
    assert any(pair.mine.rank(job)[0] for job in jobs)
    pair.clock.seconds += RECENT_SECONDS
    assert not any(pair.mine.rank(job)[0] for job in jobs)
