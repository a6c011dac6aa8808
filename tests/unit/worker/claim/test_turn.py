"""The next chunk is claimed while the one before it renders, on fakes: when, and in which order."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.bench import ALL, Bench, stages, until
from tests.fakes.bundles import post_bundle
from tests.fakes.registry import FakeRegistry
from tests.unit.worker.stepped import (
    ClaimCounter,
    OnClaim,
    SteppedRenderer,
    at_work,
    reach,
    stepped,
)

from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.attempt.stakes import StakeLimits
from veriframe.model.registry.job import Address
from veriframe.model.rendering.frames import SpooledFrame
from veriframe.worker.ahead import JOBS_AHEAD

CLAIMED, CHECKED, SUBMITTED, RELEASED = Stage.CLAIMED, Stage.CHECKED, Stage.SUBMITTED, Stage.RELEASED


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A worker whose frames come when a test lets them."""
    return Bench(tmp_path / "work", renderer=SteppedRenderer())


async def test_a_chunk_is_claimed_before_the_last_frame_of_the_one_before(bench: Bench) -> None:
    """As soon as the pace is known. It begins in the same Blender when the first ends; and so on."""
    noted = list[tuple[str, int]]()
    note_frame = bench.journal.note_frame

    async def note(attempt: Attempt, frame: SpooledFrame) -> None:
        if frame.validated is None:
            noted.append(("frame", attempt.job_id))
        await note_frame(attempt, frame)

    bench.journal.note_frame = note  # type: ignore[method-assign]
    bench.context.listener.add(OnClaim(lambda job_id: noted.append(("claim", job_id))))
    await post_bundle(bench, frames=tuple(range(1, 10)), chunk=3)
    async with at_work(bench.service(idle_seconds=0.01)):
        await reach(bench, CLAIMED, CHECKED, CHECKED)
        stepped(bench).let(1)
        await reach(bench, CLAIMED, CLAIMED, CHECKED)
        assert len(stepped(bench).jobs) == 1
        stepped(bench).let(2)
        await until(lambda: len(stepped(bench).jobs) == 2)
        await reach(bench, SUBMITTED, CLAIMED, CLAIMED)
        stepped(bench).let(6)
        await reach(bench, SUBMITTED, SUBMITTED, SUBMITTED)
    first, second, third = stepped(bench).jobs
    frames = [("frame", first)] * 3 + [("frame", second)] * 3 + [("frame", third)] * 3
    claims = [("claim", first), ("claim", second), ("claim", third)]
    assert noted == [claims[0], frames[0], claims[1], *frames[1:3], claims[2], *frames[3:]]
    assert len({session for session, _, _ in stepped(bench).renders}) == 1
    assert bench.shared.moves.count("claim") == 3


async def test_a_slow_claim_keeps_the_place_of_the_chunk_before(bench: Bench) -> None:
    """The first ends while the second's claim is still being sent: its renderer is kept, as ever."""
    claim, go, waiting = bench.registry.claim, asyncio.Event(), list[int]()
    go.set()

    async def slow(job_id: int) -> int:
        waiting.append(job_id)
        await go.wait()
        return await claim(job_id)

    bench.registry.claim = slow  # type: ignore[method-assign]
    await post_bundle(bench)
    async with at_work(bench.service(idle_seconds=0.01)):
        await reach(bench, CLAIMED, CHECKED)
        go.clear()
        stepped(bench).let(1)
        await until(lambda: len(waiting) == 2)
        stepped(bench).let(4)
        await reach(bench, SUBMITTED, CHECKED)
        assert bench.context.lanes.rendering == {waiting[1]}
        go.set()
        stepped(bench).let(5)
        await reach(bench, SUBMITTED, SUBMITTED)
    assert len({session for session, _, _ in stepped(bench).renders}) == 1


@pytest.mark.parametrize("slots", [1, 2, 3])
async def test_one_ahead_for_each_renderer(bench: Bench, slots: int) -> None:
    """However many are ready; in the end each is done once."""
    service, counter = bench.service(slots=slots), ClaimCounter(bench)
    bench.context.listener.add(counter)
    await post_bundle(bench, chunk=1)
    async with at_work(service):
        await until(lambda: len(stepped(bench).jobs) == slots)
        stepped(bench).let(1)
        await until(lambda: stages(bench).count(CLAIMED) == 2 * slots)
        await asyncio.sleep(0.02)
        assert stages(bench).count(CLAIMED) == 2 * slots
        stepped(bench).let(9)
        await reach(bench, *[SUBMITTED] * 10)
    assert counter.most == 2 * slots
    assert sorted(counter.claimed) == sorted(stepped(bench).jobs) == list(range(1, 11))


async def test_no_more_jobs_are_started_than_before(bench: Bench) -> None:
    """Jobs of others wait for no more of them: one that is claimed ahead counts as any that is ahead."""
    await post_bundle(bench, chunk=1)
    async with at_work(bench.service(idle_seconds=0.01)):
        await until(lambda: len(stages(bench)) == 2 + JOBS_AHEAD)
        stepped(bench).let(1)
        await reach(bench, SUBMITTED, CLAIMED, CLAIMED, *[CHECKED] * JOBS_AHEAD)


async def test_the_renderer_of_another_scene_goes_to_those_who_wait(bench: Bench) -> None:
    """A chunk that is claimed ahead gets the place of the one before it, and no other."""
    service, renderer = bench.service(slots=2, idle_seconds=0.01), stepped(bench)
    (first,) = await bench.post()
    renderer.own[first.id] = asyncio.Semaphore(0)
    async with at_work(service):
        await until(lambda: renderer.jobs == [first.id])
        await post_bundle(bench)
        await reach(bench, CLAIMED, CLAIMED, CHECKED)
        renderer.let(1)
        await reach(bench, CLAIMED, CLAIMED, CLAIMED)
        (other,) = await bench.post()
        await reach(bench, CLAIMED, CLAIMED, CLAIMED, CHECKED)
        renderer.own[first.id].release()
        await until(lambda: len(renderer.jobs) == 3)
        assert renderer.jobs[-1] == other.id
        renderer.let(20)
        await reach(bench, *[SUBMITTED] * 4)
    assert len({session for session, _, _ in renderer.renders}) == 3


@pytest.mark.parametrize(
    ("frame_seconds", "frames_left"), [(0.1, 5), (200.0, 3), (300.0, 0)], ids=["fast", "slow", "slower"]
)
async def test_the_lease_must_leave_the_time_to_wait(
    bench: Bench, frame_seconds: float, frames_left: int
) -> None:
    """fault_321: at this worker's pace, within the share of the lease that a render may use."""
    jobs = await post_bundle(bench)
    service = bench.service(idle_seconds=0.01)
    bench.context.speeds.note_frame(jobs[0].order.asset_cid, frame_seconds)
    async with at_work(service):
        await until(lambda: len(stepped(bench).jobs) == 1)
        for _ in range(frames_left, 5):
            await reach(bench, CLAIMED, CHECKED)
            stepped(bench).let(1)
        if frames_left:
            await reach(bench, CLAIMED, CLAIMED)
        else:
            await until(lambda: len(stepped(bench).jobs) == 2)


async def test_a_frame_that_exceeded_its_limit_ends_claims_ahead(bench: Bench) -> None:
    """fault_126: as without them, no chunk of that asset is claimed any more."""
    jobs = await post_bundle(bench)
    service = bench.service(idle_seconds=0.01)
    async with at_work(service):
        await reach(bench, CLAIMED, CHECKED)
        bench.context.speeds.note_too_slow(jobs[0].order.asset_cid)
        stepped(bench).let(4)
        await reach(bench, CLAIMED, CHECKED)
        stepped(bench).let(1)
        await reach(bench, SUBMITTED, Stage.LOST)


async def test_orders_of_one_scene_are_kept_apart(bench: Bench) -> None:
    """Another creator's order of the same bundle waits for its turn, as any job does."""
    (mine,) = await post_bundle(bench, chunk=10)
    other = FakeRegistry(Address(77), bench.shared)
    bench.shared.credits[other.account] += 1000
    service = bench.service(idle_seconds=0.01)
    async with at_work(service):
        await until(lambda: stepped(bench).jobs == [mine.id])
        bench.creator = other
        await post_bundle(bench, chunk=10)
        stepped(bench).let(5)
        await reach(bench, CLAIMED, CHECKED)
        stepped(bench).let(15)
        await reach(bench, SUBMITTED, SUBMITTED)


async def test_nothing_is_claimed_ahead_for_a_creator_who_has_paid_nothing(bench: Bench) -> None:
    """Their second job is not even fetched while one is under way."""
    bench.context.policy = replace(
        bench.context.policy, stakes=replace(StakeLimits(), loss_share=ALL, job_share=ALL)
    )
    await post_bundle(bench)
    async with at_work(bench.service(idle_seconds=0.01)):
        await reach(bench, CLAIMED)
        stepped(bench).let(4)
        await reach(bench, CLAIMED)
    assert bench.shared.moves.count("claim") == 1


async def test_without_claims_nothing_is_ahead(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is chosen late is rarely done twice."""
    monkeypatch.setattr(type(bench.registry), "has_claims", False)
    await post_bundle(bench)
    async with at_work(bench.service(idle_seconds=0.01)):
        await reach(bench, CLAIMED, CHECKED)
        stepped(bench).let(4)
        await reach(bench, CLAIMED, CHECKED)
