"""Finding open jobs: new ones at once, old ones by and by, with few reads."""

from __future__ import annotations

from dataclasses import replace

import pytest
from structlog.testing import capture_logs
from tests.fakes.parts import CREATOR, LEASE_SECONDS, OTHER, Bench

from veriframe.model.job import Address, Job, JobState
from veriframe.model.policy import Policy
from veriframe.worker.discovery import MOST_WINDOWS, WINDOW, Discovery


def discovery(
    bench: Bench, *, settled: frozenset[int] = frozenset(), policy: Policy | None = None
) -> Discovery:
    """A discovery that may try all but `settled`."""
    return Discovery(bench.registry, policy or bench.policy, lambda job_id: job_id not in settled)


async def test_a_new_job_is_found_at_once(bench: Bench) -> None:
    """However many came before it."""
    found = discovery(bench)
    await bench.post(jobs=450)
    await found.look()
    (new,) = await bench.post()
    assert new in await found.look()


async def test_a_thousand_jobs_take_a_handful_of_reads(bench: Bench) -> None:
    """By windows, and afterwards one window a look."""
    await bench.post(jobs=1000)
    found = discovery(bench)
    bench.shared.reads = 0
    assert len(await found.look()) == 1000
    assert bench.shared.reads == 2 + 1000 // WINDOW + 1
    bench.shared.reads = 0
    await found.look()
    assert bench.shared.reads == 3


async def test_a_flood_does_not_hold_a_look_up(bench: Bench) -> None:
    """fault_14: a bounded number of windows; the next look goes on, and says so."""
    await bench.post(jobs=MOST_WINDOWS * WINDOW + 1)
    found = discovery(bench)
    assert len(await found.look()) == MOST_WINDOWS * WINDOW
    assert not found.has_seen_all
    assert len(await found.look()) == MOST_WINDOWS * WINDOW + 1
    assert found.has_seen_all


async def test_a_job_that_comes_free_again_is_found_by_and_by(bench: Bench) -> None:
    """The window goes round: after as many looks as there are windows, each job was looked at again."""
    await bench.post(jobs=3 * WINDOW)
    bench.shared.credits[OTHER] = 10**9
    for job_id in range(1, 3 * WINDOW + 1):
        await bench.other.claim(job_id)
    found = discovery(bench)
    assert await found.look() == []
    bench.shared.now += LEASE_SECONDS
    seen: set[int] = set()
    for _ in range(3):
        seen |= {job.id for job in await found.look()}
    assert seen == set(range(1, 3 * WINDOW + 1))


async def test_a_job_that_is_taken_is_no_candidate_any_more(bench: Bench) -> None:
    """Asked again right before it is taken on."""
    (job,) = await bench.post()
    found = discovery(bench)
    assert await found.look() == [job]
    assert await found.is_still_open(1)
    await bench.other.claim(1)
    assert not await found.is_still_open(1)
    assert await found.look() == []


async def test_the_best_paid_come_first(bench: Bench) -> None:
    """By reward, whatever their ids."""
    for reward_fri in (5, 50, 20):
        await bench.post(reward_fri=reward_fri)
    assert [job.terms.reward_fri for job in await discovery(bench).look()] == [50, 20, 5]


async def test_two_workers_do_not_run_after_the_same_job(bench: Bench) -> None:
    """Among jobs that pay the same, each account has an order of its own, and always the same one."""
    await bench.post(jobs=50)

    async def order(account: int) -> list[int]:
        policy = replace(bench.policy, account=Address(account))
        return [job.id for job in await discovery(bench, policy=policy).look()]

    assert await order(1) == await order(1)
    assert await order(1) != await order(2)
    assert set(await order(1)) == set(await order(2))


async def test_what_was_tried_is_left_in_silence(bench: Bench) -> None:
    """Neither a candidate nor a line in the log."""
    await bench.post(jobs=2)
    with capture_logs() as lines:
        (job,) = await discovery(bench, settled=frozenset((1,))).look()
    assert job.id == 2
    assert [line["job_id"] for line in lines] == [2]


async def test_why_a_job_is_left_is_said_once(bench: Bench) -> None:
    """However often it is seen; and again only when the reason changes."""
    await bench.post()
    found = discovery(bench, policy=replace(bench.policy, creators_denied=frozenset((CREATOR,))))
    with capture_logs() as lines:
        for _ in range(3):
            assert await found.look() == []
    (line,) = lines
    assert (line["event"], line["reason"]) == ("job_left", "its creator is denied (creators_denied)")


async def test_what_is_gone_is_not_remembered(bench: Bench) -> None:
    """fault_14: a job that was claimed and comes free is told anew; nothing piles up."""
    (job,) = await bench.post()
    found = discovery(bench)
    free: list[Job] = [bench.job()]
    with capture_logs() as lines:
        await found.look()
        await bench.other.claim(job.id)
        await found.look()
        bench.shared.jobs[job.id] = free[0]
        await found.look()
    assert [line["event"] for line in lines] == ["job_discovered", "job_discovered"]


async def test_candidates_are_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_14: what does not fit is found again by the window that goes round."""
    monkeypatch.setattr("veriframe.worker.discovery.MOST_CANDIDATES", 3)
    await bench.post(jobs=5)
    found = discovery(bench)
    assert len(await found.look()) == 3
    bench.shared.jobs[1] = replace(bench.job(1), state=JobState.SUBMITTED)
    assert [job.id for job in sorted(await found.look(), key=lambda job: job.id)] == [2, 3, 4]


async def test_an_empty_registry_has_no_jobs(bench: Bench) -> None:
    """And all of it was seen."""
    found = discovery(bench)
    assert await found.look() == []
    assert found.has_seen_all
