"""Jobs that are lost while they are worked on, with fakes: the work ends, and the burned bond is reported."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from structlog.testing import capture_logs
from tests.fakes.bench import BOND, LEASE_SECONDS, ME, OTHER, Bench, stages, until
from tests.unit.worker.clock import ManualClock

from veriframe.errors import RegistryUnavailable
from veriframe.model.attempt.attempt import Stage
from veriframe.model.attempt.reconciliation import burned_fri, is_lost
from veriframe.model.registry.job import NOBODY, JobState
from veriframe.ports.registry import Snapshot
from veriframe.worker.own_jobs import Call, OwnJobs
from veriframe.worker.service import Service

POLL_SECONDS = 0.01


@asynccontextmanager
async def rendering(bench: Bench) -> AsyncIterator[Service]:
    """A worker in the middle of its only render, which does not finish. Its clock is the chain's."""
    bench.context = replace(bench.context, clock=lambda: float(bench.shared.now))
    await bench.post(jobs=1)
    bench.renderer.gate.clear()
    service = bench.service(idle_seconds=POLL_SECONDS)
    working = asyncio.create_task(service.run())
    await until(lambda: bench.renderer.started)
    yield service
    service.drain()
    assert await asyncio.wait_for(working, 5)


def lapsed_and_claimed_by_another(bench: Bench) -> None:
    """Our lease lapsed, and another worker has the job."""
    bench.shared.now += LEASE_SECONDS
    end = bench.shared.now + LEASE_SECONDS
    bench.shared.jobs[1] = replace(bench.job(), worker=OTHER, claimed_at=bench.shared.now, lease_end=end)


def lapsed(bench: Bench) -> None:
    """Our lease lapsed."""
    bench.shared.now += LEASE_SECONDS


def cancelled_after_the_lease(bench: Bench) -> None:
    """Its creator took it back."""
    bench.shared.now += LEASE_SECONDS
    bench.shared.jobs[1] = replace(bench.job(), state=JobState.REFUNDED, worker=NOBODY, claimed_at=0)


def submitted_by_another(bench: Bench) -> None:
    """It was claimed and done."""
    lapsed_and_claimed_by_another(bench)
    bench.shared.jobs[1] = replace(bench.job(), state=JobState.SUBMITTED)


def given_to_another_by_a_reorganisation(bench: Bench) -> None:
    """The other claim comes first on the new chain; our bond was never put up."""
    bench.shared.now += 5
    bench.shared.jobs[1] = replace(bench.job(), worker=OTHER)


@pytest.mark.parametrize(
    ("happen", "lost_fri"),
    [
        (lapsed_and_claimed_by_another, BOND),
        (lapsed, BOND),
        (cancelled_after_the_lease, BOND),
        (submitted_by_another, BOND),
        (given_to_another_by_a_reorganisation, 0),
    ],
)
async def test_a_render_ends_once_its_job_is_lost(bench: Bench, happen: object, lost_fri: int) -> None:
    """fault_90: within one poll, and the attempt reports what of the bond is burned."""
    async with rendering(bench):
        happen(bench)  # type: ignore[operator]
        await until(lambda: stages(bench) == [Stage.LOST])
        assert bench.renderer.cancelled == 1
        assert bench.renderer.tasks == []
        assert bench.attempt().lost_fri == lost_fri
        await until(lambda: not bench.context.workspace.rendered(1).exists())
    assert "submit_result" not in bench.shared.moves


async def test_the_next_poll_finds_it_among_thousands(bench: Bench) -> None:
    """fault_90: neither by the round through all jobs, where it would be the last, nor by an event."""
    bench.shared.has_no_events = True
    async with rendering(bench):
        await bench.post(jobs=3000)
        take_snapshot, take_hints = bench.registry.snapshot, bench.registry.changed
        later: list[list[int]] = [[]]

        async def begun() -> Collection[int]:
            later.append([])
            return await take_hints()

        async def counted(first: int, count: int) -> Snapshot:
            shown = await take_snapshot(first, count)
            if bench.job().worker == OTHER:
                later[-1].append(first)
            elif first == 1 and shown.job_counter > 3000:
                lapsed_and_claimed_by_another(bench)
            return shown

        bench.registry.snapshot, bench.registry.changed = counted, begun  # type: ignore[method-assign]
        await until(lambda: bench.renderer.cancelled)
        # The poll in which it happens also reads new jobs, and one poll in four continues the round.
        assert any(1 in reads for reads in [reads for reads in later if reads][1:3])
        bench.renderer.gate.set()


async def test_the_slot_is_free_for_the_next_job(bench: Bench) -> None:
    """fault_90: a slot does not wait for a render that earns nothing."""
    async with rendering(bench):
        lapsed_and_claimed_by_another(bench)
        await bench.post()
        bench.shared.jobs[1] = replace(bench.job(), worker=OTHER)
        await until(lambda: bench.renderer.started == 2)
        assert stages(bench)[0] is Stage.LOST
        bench.renderer.gate.set()
        await until(lambda: stages(bench) == [Stage.LOST, Stage.SUBMITTED])


async def test_a_job_that_a_lagging_node_shows_open_is_not_lost(bench: Bench) -> None:
    """fault_90: nor if it shows the lapsed claim of the previous worker; the render continues."""
    async with rendering(bench):
        claimed = bench.job()
        for shown in (
            replace(claimed, state=JobState.OPEN, worker=NOBODY, claimed_at=0, lease_end=0),
            replace(claimed, worker=OTHER, lease_end=bench.shared.now),
        ):
            bench.shared.jobs[1] = shown
            bench.shared.reads = 0
            await until(lambda: bench.shared.reads > 6)
            assert stages(bench) == [Stage.CLAIMED]
        bench.shared.jobs[1] = claimed
        bench.renderer.gate.set()
        await until(lambda: stages(bench) == [Stage.SUBMITTED])
    assert bench.renderer.cancelled == 0


async def test_a_draining_worker_polls_too(bench: Bench) -> None:
    """fault_90: the jobs it waits for may be lost; an unavailable registry ends nothing."""
    async with rendering(bench) as service:
        service.drain()
        await asyncio.sleep(0.02)
        bench.shared.faults.append(RegistryUnavailable("The registry is away."))
        lapsed_and_claimed_by_another(bench)
        await until(lambda: stages(bench) == [Stage.LOST])


async def test_no_more_than_two_calls_a_poll(bench: Bench) -> None:
    """fault_90: the regular poll reads the job as well, no more often than configured."""
    async with rendering(bench):
        polls = 0
        snapshot = bench.registry.snapshot

        async def counted(first: int, count: int) -> Snapshot:
            nonlocal polls
            polls += 1
            return await snapshot(first, count)

        bench.registry.snapshot = counted  # type: ignore[method-assign]
        before = bench.shared.reads
        await asyncio.sleep(10 * POLL_SECONDS)
        reads = bench.shared.reads - before
        assert 2 <= polls <= 10
        assert reads <= 2 * polls + 1
        bench.renderer.gate.set()


async def test_a_stop_while_a_loss_is_noted_stops(bench: Bench) -> None:
    """Cancelled twice: the worker does not hang at its end."""
    bench.context = replace(bench.context, clock=lambda: float(bench.shared.now))
    await bench.post()
    bench.renderer.gate.clear()
    service = bench.service(idle_seconds=POLL_SECONDS)
    working = asyncio.create_task(service.run())
    await until(lambda: bench.renderer.started)
    lapsed(bench)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(working, 5)


async def test_running_jobs_are_polled_periodically(bench: Bench) -> None:
    """Each after the configured time, with a claim or before it."""
    clock = ManualClock()
    bench.context = replace(bench.context, monotonic=clock)
    own = OwnJobs(bench.context, 5.0)
    jobs = await bench.post(jobs=2)
    bench.begin(jobs[0], Stage.CLAIMED)
    bench.begin(jobs[1], Stage.FETCHED)
    running = {1, 2}
    assert own.wanted(running) == {1, 2}
    bench.shared.jobs[1] = replace(bench.job(), state=JobState.CLAIMED, worker=ME, lease_end=2**40)
    assert list(own.findings(await bench.registry.snapshot(1, 1), running)) == []
    assert own.wanted(running) == {2}
    clock.seconds += 5.0
    assert own.wanted(running) == {1, 2}
    assert own.wanted({2}) == {2}


async def test_a_job_that_is_gone_before_its_claim_is_not_waited_for(bench: Bench) -> None:
    """Its place ahead is free for another; the race was lost."""
    (job,) = await bench.post()
    bench.begin(job, Stage.CHECKED)
    await bench.other.claim(1)
    own = OwnJobs(bench.context, 5.0)
    (finding,) = own.findings(await bench.registry.snapshot(1, 1), {1})
    assert finding.call is Call.END_WORK


async def test_only_a_bond_that_was_put_up_is_burned(bench: Bench) -> None:
    """Nothing is burned before a claim, nor if a reorganisation removed the claim within our lease.

    After the lease, another worker has claimed and released the job meanwhile: then the bond was burned.
    """
    (job,) = await bench.post()
    other = replace(job, state=JobState.CLAIMED, worker=OTHER, claimed_at=2**40, lease_end=2**41)
    before, claimed = bench.begin(job, Stage.CHECKED), bench.begin(job, Stage.CLAIMED)
    assert burned_fri(before, other, ME, 2**40) == 0
    assert burned_fri(claimed, other, ME, 2**40) == BOND
    assert burned_fri(claimed, job, ME, LEASE_SECONDS) == 0
    assert burned_fri(claimed, job, ME, LEASE_SECONDS + 1) == BOND
    assert not is_lost(before, other, ME, 2**40)
    assert is_lost(claimed, other, ME, 2**40)


async def test_a_loss_is_logged_once(bench: Bench) -> None:
    """By its own line and by the line of its end."""
    with capture_logs() as lines:
        async with rendering(bench):
            lapsed(bench)
            await until(lambda: stages(bench) == [Stage.LOST])
    assert [line["event"] for line in lines if line["event"] == "job_lost"] == ["job_lost"]
