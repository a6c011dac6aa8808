"""Looking at the registry: new jobs at once, old ones by and by, by two calls whatever their number."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import pytest
from structlog.testing import capture_logs
from tests.fakes.bench import CREATOR, LEASE_SECONDS, OTHER, Bench
from tests.unit.worker.clock import Hand

from veriframe.errors import Code
from veriframe.model.attempt.policy import Policy
from veriframe.model.registry.job import Address, Job, JobState
from veriframe.worker.intake.candidates import Bounds
from veriframe.worker.intake.discovery import MOST_NEW, ROUND_EVERY, Discovery
from veriframe.worker.report import LINE_SECONDS

WIDE = Bounds(in_all=10**6, per_creator=10**6, per_order=10**6)
"""Orders as large as a test likes."""
SIZE = 200
"""Jobs that the fake brings in one look."""


def discovery(
    bench: Bench, *, settled: frozenset[int] = frozenset(), policy: Policy | None = None
) -> Discovery:
    """A discovery that may try all but `settled`."""
    return Discovery(
        bench.registry, policy or bench.policy, lambda job_id: job_id not in settled, bounds=WIDE
    )


async def seen(found: Discovery, wanted: Collection[int] = ()) -> Sequence[Job]:
    """The candidates after one more look."""
    await found.poll(wanted)
    return found.candidates


async def test_a_new_job_is_found_at_once(bench: Bench) -> None:
    """However many came before it."""
    await bench.post(jobs=450)
    found = discovery(bench)
    await found.poll()
    (new,) = await bench.post()
    assert new in await seen(found)


async def test_a_new_job_that_no_event_tells_of_is_found_by_the_counter(bench: Bench) -> None:
    """fault_13: events are a hint; the look that follows shows that there are more jobs."""
    await bench.post(jobs=450)
    found = discovery(bench)
    await found.poll()
    bench.shared.tells_nothing = True
    (new,) = await bench.post()
    assert new in await seen(found)


@pytest.mark.parametrize("jobs", [1, 100, 900])
async def test_a_look_is_two_calls_whatever_the_number_of_jobs(bench: Bench, jobs: int) -> None:
    """What changed, and some jobs."""
    await bench.post(jobs=jobs)
    found = discovery(bench)
    await found.poll()
    for _ in range(5):
        bench.shared.reads = 0
        await found.poll()
        assert bench.shared.reads == 2


async def test_a_new_job_costs_no_call_more(bench: Bench) -> None:
    """The look that its event leads to brings it."""
    await bench.post(jobs=500)
    found = discovery(bench)
    await found.poll()
    await bench.post(jobs=3)
    bench.shared.reads = 0
    assert len(await seen(found)) == 503
    assert bench.shared.reads == 2


async def test_a_flood_does_not_hold_a_look_up(bench: Bench) -> None:
    """fault_14: a bounded number of new jobs; the next look goes on, and says so."""
    await bench.post(jobs=2 * MOST_NEW)
    found = discovery(bench)
    assert len(await seen(found)) == MOST_NEW + SIZE
    assert not found.has_seen_all
    assert len(await seen(found)) == 2 * MOST_NEW
    assert found.has_seen_all


async def test_a_job_that_comes_free_is_found_by_its_event(bench: Bench) -> None:
    """In the next look, wherever the round is."""
    await bench.post(jobs=3 * SIZE)
    bench.shared.credits[OTHER] = 10**9
    await bench.other.claim(450)
    found = discovery(bench)
    await found.poll()
    assert 450 not in {job.id for job in found.candidates}
    await bench.other.release(450, Code.CRASH)
    assert 450 in {job.id for job in await seen(found)}


async def test_a_job_that_comes_free_without_an_event_is_found_by_and_by(bench: Bench) -> None:
    """The round: after as many looks as there are windows, each job was looked at again."""
    await bench.post(jobs=3 * SIZE)
    bench.shared.credits[OTHER] = 10**9
    for job_id in range(1, 3 * SIZE + 1):
        await bench.other.claim(job_id)
    found = discovery(bench)
    assert await seen(found) == []
    bench.shared.now += LEASE_SECONDS
    for _ in range(3):
        await found.poll()
    assert {job.id for job in found.candidates} == set(range(1, 3 * SIZE + 1))


async def test_hints_do_not_stop_the_round(bench: Bench) -> None:
    """Whoever makes events all the time cannot keep other jobs out of sight."""
    await bench.post(jobs=3 * SIZE)
    found = discovery(bench)
    await found.poll()
    bench.shared.jobs[3 * SIZE] = replace(bench.job(3 * SIZE), state=JobState.SUBMITTED)
    for _ in range(3 * ROUND_EVERY):
        await found.poll([1])
    assert 3 * SIZE not in {job.id for job in found.candidates}


async def test_what_is_wanted_is_looked_at_now(bench: Bench) -> None:
    """As many as lie together go into one look; the others come next."""
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


async def test_news_are_told(bench: Bench) -> None:
    """A hint, or another number of jobs; nothing else."""
    found = discovery(bench)
    await found.poll()
    assert not (await found.poll())[1]
    await bench.post()
    assert (await found.poll())[1]
    assert not (await found.poll())[1]
    bench.shared.tells_nothing = True
    await bench.post()
    assert (await found.poll())[1]


async def test_jobs_that_a_reorganisation_took_away_are_forgotten(bench: Bench) -> None:
    """fault_11: the counter goes back, and what comes in their place is found again."""
    await bench.post(jobs=5)
    found = discovery(bench)
    assert len(await seen(found)) == 5
    for job_id in (4, 5):
        del bench.shared.jobs[job_id]
    assert [job.id for job in sorted(await seen(found), key=lambda job: job.id)] == [1, 2, 3]
    assert found.has_seen_all
    await bench.post(jobs=1)
    assert len(await seen(found)) == 4


async def test_what_was_read_at_the_start_is_not_read_again(bench: Bench) -> None:
    """fault_82: from the newest down, each once, and then by the round alone."""
    await bench.post(jobs=3 * MOST_NEW)
    heard: list[int] = []
    found = Discovery(
        bench.registry,
        bench.policy,
        lambda _: True,
        on_read=lambda jobs, _: heard.extend(job.id for job in jobs),
        bounds=WIDE,
    )
    while not found.has_read_all:
        await found.poll()
    old = [*range(1, SIZE + 1), *range(2 * MOST_NEW + 1, 3 * MOST_NEW + 1)]
    assert heard[: len(old)] == old
    assert sorted(set(heard)) == list(range(1, 3 * MOST_NEW + 1))
    bench.shared.reads = 0
    assert len(await seen(found)) == 3 * MOST_NEW
    assert bench.shared.reads == 2


async def test_a_job_that_is_taken_is_no_candidate_any_more(bench: Bench) -> None:
    """Asked again right before it is taken on."""
    (job,) = await bench.post()
    found = discovery(bench)
    assert await seen(found) == [job]
    assert await found.is_still_open(1)
    await bench.other.claim(1)
    assert not await found.is_still_open(1)
    assert await seen(found) == []


async def test_a_job_that_is_gone_is_no_candidate_any_more(bench: Bench) -> None:
    """The registry does not know it."""
    await bench.post()
    found = discovery(bench)
    await found.poll()
    bench.shared.jobs.clear()
    assert not await found.is_still_open(1)


async def test_the_best_paid_come_first(bench: Bench) -> None:
    """By reward, whatever their ids."""
    for reward_fri in (5, 50, 20):
        await bench.post(reward_fri=reward_fri)
    assert [job.terms.reward_fri for job in await seen(discovery(bench))] == [50, 20, 5]


async def test_two_workers_do_not_run_after_the_same_job(bench: Bench) -> None:
    """Among jobs that pay the same, each account has an order of its own, and always the same one."""
    await bench.post(jobs=50)

    async def order(account: int) -> list[int]:
        policy = replace(bench.policy, account=Address(account))
        return [job.id for job in await seen(discovery(bench, policy=policy))]

    assert await order(1) == await order(1)
    assert await order(1) != await order(2)
    assert set(await order(1)) == set(await order(2))


async def test_what_was_tried_is_left_in_silence(bench: Bench) -> None:
    """Neither a candidate nor a line in the log."""
    await bench.post(jobs=2)
    with capture_logs() as lines:
        (job,) = await seen(discovery(bench, settled=frozenset((1,))))
    assert job.id == 2
    assert [line["job_id"] for line in lines] == [2]


async def test_why_a_job_is_left_is_said_once(bench: Bench) -> None:
    """However often it is seen; and again only when the reason changes."""
    await bench.post()
    found = discovery(bench, policy=replace(bench.policy, creators_denied=frozenset((CREATOR,))))
    with capture_logs() as lines:
        for _ in range(3):
            assert await seen(found) == []
    (line,) = lines
    assert (line["event"], line["reason"]) == ("job_left", "its creator is denied (creators_denied)")


async def test_what_is_gone_is_not_remembered(bench: Bench) -> None:
    """fault_14: a job that was claimed and comes free is told anew; nothing piles up."""
    (job,) = await bench.post()
    found = discovery(bench)
    free: list[Job] = [bench.job()]
    with capture_logs() as lines:
        await found.poll()
        await bench.other.claim(job.id)
        await found.poll()
        bench.shared.jobs[job.id] = free[0]
        await found.poll()
    assert [line["event"] for line in lines] == ["job_discovered", "job_discovered"]


async def test_an_empty_registry_has_no_jobs(bench: Bench) -> None:
    """And all of it was seen."""
    found = discovery(bench)
    assert await seen(found) == []
    assert found.has_seen_all


async def test_own_jobs_are_looked_at_whatever_strangers_touch(bench: Bench) -> None:
    """fault_82: thousands of events about old jobs do not keep a result of ours from its pay."""
    await bench.post(jobs=3 * SIZE)
    found = discovery(bench)
    await found.poll()
    shown: set[int] = set()
    for _ in range(2):
        found._wanted |= set(range(1, 2 * SIZE))
        snapshot, _ = await found.poll([3 * SIZE])
        shown |= {job.id for job in snapshot.jobs}
    assert 3 * SIZE in shown


async def test_orders_are_told_once_and_not_without_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_14: a line an order, and no more lines than a disk can bear; how many went untold is told."""
    monkeypatch.setattr("veriframe.worker.report.MOST_LINES", 3)
    clock = Hand()
    found = Discovery(bench.registry, bench.policy, lambda _: True, monotonic=clock)
    for _ in range(6):
        await bench.post(jobs=20)
    with capture_logs() as lines:
        await found.poll()
        await found.poll()
        clock.seconds += LINE_SECONDS
        await bench.post()
        await found.poll()
    told = [(line["event"], line.get("order_id"), line.get("orders")) for line in lines]
    assert told == [
        *(("job_discovered", order, None) for order in (1, 2, 3)),
        ("orders_untold", None, 3),
        ("job_discovered", 7, None),
    ]
