"""What becomes of a chunk that is claimed ahead: stops, failures, leases, restarts."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from tests.fakes.bench import LEASE_SECONDS, Bench, crash, stages, until
from tests.fakes.bundles import post_bundle
from tests.unit.worker.stepped import (
    OnClaim,
    SteppedRenderer,
    at_work,
    reach,
    stepped,
)

from veriframe.errors import Code, JobLost, RenderFailed, StoreUnavailable
from veriframe.model.attempt.attempt import Stage

CLAIMED, CHECKED, SUBMITTED, RELEASED = Stage.CLAIMED, Stage.CHECKED, Stage.SUBMITTED, Stage.RELEASED


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A worker whose frames come when a test lets them."""
    return Bench(tmp_path / "work", renderer=SteppedRenderer())


async def test_a_drain_claims_nothing_ahead_and_finishes_what_is(bench: Bench) -> None:
    """fault_74, fault_320: both that are claimed are submitted; the third stays as it is."""
    await post_bundle(bench, frames=tuple(range(1, 10)), chunk=3)
    service = bench.service(idle_seconds=0.01)
    async with at_work(service) as working:
        await reach(bench, CLAIMED, CHECKED, CHECKED)
        stepped(bench).let(1)
        await reach(bench, CLAIMED, CLAIMED, CHECKED)
        service.drain()
        stepped(bench).let(5)
        await asyncio.wait_for(working, 30)
    assert Counter(stages(bench)) == {SUBMITTED: 2, CHECKED: 1}
    assert bench.shared.moves.count("claim") == 2


async def test_a_drain_before_the_pace_is_known(bench: Bench) -> None:
    """fault_74: the second is not claimed, whatever frames arrive."""
    await post_bundle(bench)
    service = bench.service(idle_seconds=0.01)
    async with at_work(service) as working:
        await reach(bench, CLAIMED, CHECKED)
        service.drain()
        stepped(bench).let(5)
        await asyncio.wait_for(working, 30)
    assert Counter(stages(bench)) == {SUBMITTED: 1, CHECKED: 1}


@pytest.mark.parametrize("claim_is_slow", [False, True])
async def test_a_failure_of_the_first_does_not_harm_the_second(bench: Bench, claim_is_slow: bool) -> None:
    """fault_320: it is released with its code; the second has its place, and a Blender of its own."""
    claim, go = bench.registry.claim, asyncio.Event()
    claims = list[int]()

    async def slow(job_id: int) -> int:
        claims.append(job_id)
        if len(claims) == 2 and claim_is_slow:
            await go.wait()
        return await claim(job_id)

    bench.registry.claim = slow  # type: ignore[method-assign]
    await post_bundle(bench)
    async with at_work(bench.service(idle_seconds=0.01)):
        await reach(bench, CLAIMED, CHECKED)
        (number,) = {frames[2] for _, _, frames in stepped(bench).renders}
        bench.script.frame_failures[number] = [RenderFailed(Code.OOM, "It used too much.")]
        stepped(bench).let(1)
        await until(lambda: len(claims) == 2)
        stepped(bench).let(1)
        await until(lambda: RELEASED in stages(bench))
        go.set()
        await until(lambda: len(stepped(bench).jobs) == 2)
        stepped(bench).let(5)
        await reach(bench, RELEASED, SUBMITTED)
    assert len({session for session, _, _ in stepped(bench).renders}) == 2
    assert bench.context.lanes.rendering == bench.context.lanes.following == set()


async def test_a_crash_of_the_first_is_tried_again_before_the_second(bench: Bench) -> None:
    """fault_38: the place is not passed on between its two tries."""
    await post_bundle(bench)
    async with at_work(bench.service(idle_seconds=0.01)):
        await reach(bench, CLAIMED, CHECKED)
        ((_, first, frames),) = stepped(bench).renders
        bench.script.frame_failures[frames[2]] = [crash()]
        stepped(bench).let(1)
        await reach(bench, CLAIMED, CLAIMED)
        stepped(bench).let(1)
        await until(lambda: len(stepped(bench).renders) == 2)
        await asyncio.sleep(0.02)
        assert stepped(bench).jobs == [first, first]
        stepped(bench).let(8)
        await reach(bench, SUBMITTED, SUBMITTED)


async def test_a_lost_claim_ahead_lets_the_next_on(bench: Bench) -> None:
    """Another worker was faster: the render goes on, and the third chunk is claimed instead."""
    claim, lost = bench.registry.claim, list[int]()

    async def stolen(job_id: int) -> int:
        if bench.shared.moves.count("claim") == 1 and not lost:
            lost.append(job_id)
            raise JobLost("Another worker was faster.")
        return await claim(job_id)

    bench.registry.claim = stolen  # type: ignore[method-assign]
    await post_bundle(bench, frames=tuple(range(1, 10)), chunk=3)
    async with at_work(bench.service(idle_seconds=0.01)):
        await reach(bench, CLAIMED, CHECKED, CHECKED)
        stepped(bench).let(1)
        await until(lambda: stages(bench).count(CLAIMED) == 2)
        assert len(lost) == 1
        assert lost[0] not in stepped(bench).jobs


async def test_a_claim_whose_lease_leaves_no_more_time_to_wait_is_released(bench: Bench) -> None:
    """fault_321: the one before it takes longer than expected. A release costs the share at most."""
    await post_bundle(bench)
    service = bench.service(idle_seconds=0.01)

    def pass_time(job_id: int) -> None:
        if (task := bench.attempt(job_id).task) is not None and len(stepped(bench).jobs) == 1:
            # What half of the lease leaves for its render, but for a moment.
            kept = bench.context.policy.reserve(task)
            bench.shared.now += int(LEASE_SECONDS / 2 - kept.decoding - kept.sending)

    bench.context.listener.add(OnClaim(pass_time))
    async with at_work(service):
        await reach(bench, CLAIMED, CHECKED)
        stepped(bench).let(1)
        await until(lambda: RELEASED in stages(bench))
        stepped(bench).let(4)
        await reach(bench, SUBMITTED, RELEASED)
    (released,) = [a for a in bench.journal.by_job.values() if a.stage is RELEASED]
    assert released.code is Code.LEASE
    assert 0 < released.lost_fri <= released.bond_fri / 2


async def test_a_restart_continues_both_in_the_order_of_their_leases(bench: Bench) -> None:
    """fault_320: stopped at once with one ahead; each is claimed once, and the first goes first."""
    await post_bundle(bench)
    async with at_work(bench.service(idle_seconds=0.01)):
        await reach(bench, CLAIMED, CHECKED)
        bench.shared.now += 10
        stepped(bench).let(2)
        await reach(bench, CLAIMED, CLAIMED)
    (first,) = stepped(bench).jobs
    (second,) = {1, 2} - {first}
    assert bench.attempt(first).due_at < bench.attempt(second).due_at
    stepped(bench).renders.clear()
    async with at_work(bench.service(idle_seconds=0.01)):
        stepped(bench).let(20)
        await reach(bench, SUBMITTED, SUBMITTED)
    assert stepped(bench).jobs == [first, second]
    assert [len(frames) for _, _, frames in stepped(bench).renders] == [3, 5]
    assert bench.shared.moves.count("claim") == 2


async def test_a_store_that_is_away_does_not_lose_the_claim_ahead(bench: Bench) -> None:
    """The first waits for it, with its frames rendered; the second takes its place meanwhile."""
    await post_bundle(bench)
    async with at_work(bench.service(idle_seconds=0.01)):
        await reach(bench, CLAIMED, CHECKED)
        stepped(bench).let(1)
        await reach(bench, CLAIMED, CLAIMED)
        bench.store.fault = StoreUnavailable("away")
        stepped(bench).let(9)
        await reach(bench, Stage.VALIDATED, Stage.VALIDATED)
        bench.store.fault = None
        await reach(bench, SUBMITTED, SUBMITTED)


async def test_a_scene_that_was_inspected_again_does_not_stay_open_for_a_claim_ahead(bench: Bench) -> None:
    """After a restart the second chunk opens it once more; it is rendered in the Blender of the first."""
    await post_bundle(bench)
    async with at_work(bench.service(idle_seconds=0.01)):
        await reach(bench, CLAIMED, CHECKED)
    # As if the first had been killed before it saw the second chunk.
    bench.journal.tries = {n: one for n, one in bench.journal.tries.items() if one.stage is CLAIMED}
    stepped(bench).renders.clear()
    async with at_work(bench.service(idle_seconds=0.01)):
        await reach(bench, CLAIMED, CHECKED)
        assert bench.renderer.sessions == 2
        stepped(bench).let(1)
        await reach(bench, CLAIMED, CLAIMED)
        assert bench.renderer.sessions == 1
        stepped(bench).let(9)
        await reach(bench, SUBMITTED, SUBMITTED)
    assert len({session for session, _, _ in stepped(bench).renders}) == 1
