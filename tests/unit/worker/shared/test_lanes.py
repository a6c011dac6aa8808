"""Lanes: their places are limited, given in turn, and kept until there is one in the next lane."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.worker.clock import ManualClock

from veriframe.model.attempt.attempt import Attempt
from veriframe.worker.shared.lanes import CHUNK_BEFORE, FETCHES, Lane, Lanes, Render, inspections


def silent(job_id: int, what: str) -> None:
    """Ignores what is waited for."""


async def test_a_lane_has_its_places() -> None:
    """As many renders as the renderer can run, few inspections, and a number of fetches."""
    lanes = Lanes(2, ManualClock())
    for lane, size in (
        (Lane.FETCH, FETCHES),
        (Lane.INSPECT, 1),
        (Lane.RENDER, 2),
        (Lane.DECODE, 3),
        (Lane.AGAIN, 1),
    ):
        for _ in range(size):
            assert not lanes.is_full(lane)
            await lanes.enter(lane)
        assert lanes.is_full(lane)


def test_inspections_are_few() -> None:
    """One more for every four renders, so that a slow one does not keep eight renderers idle."""
    assert [inspections(capacity) for capacity in (1, 3, 4, 8, 64)] == [1, 1, 2, 3, 17]


async def test_a_job_that_waits_holds_no_place() -> None:
    """A fetched scene that waits for its inspection keeps no other from being fetched."""
    lanes, waits = Lanes(1, ManualClock()), list[str]()
    await lanes.enter(Lane.RENDER)
    async with lanes.place(7, lambda job_id, what: waits.append(what)) as place:
        await place.change(Lane.INSPECT)
        assert lanes.is_full(Lane.INSPECT)
        going_on = asyncio.create_task(place.change(Lane.RENDER))
        await asyncio.sleep(0)
        assert (place.lane, waits) == (None, ["a renderer"])
        assert not lanes.is_full(Lane.INSPECT)
        lanes.leave(Lane.RENDER)
        await going_on
        assert place.lane is Lane.RENDER
        assert waits == ["a renderer", ""]
    assert not lanes.is_full(Lane.RENDER)


async def test_a_held_place_is_kept_until_there_is_one_in_the_next_lane() -> None:
    """Its scene stays open, so the next one is not inspected before it has its turn."""
    lanes = Lanes(1, ManualClock())
    await lanes.enter(Lane.RENDER)
    async with lanes.place(1, silent) as place:
        await place.change(Lane.INSPECT)
        place.is_held = True
        going_on = asyncio.create_task(place.change(Lane.RENDER))
        await asyncio.sleep(0)
        assert (place.lane, lanes.is_full(Lane.INSPECT)) == (Lane.INSPECT, True)
        lanes.leave(Lane.RENDER)
        await going_on
        assert (place.lane, place.is_held, lanes.is_full(Lane.INSPECT)) == (Lane.RENDER, False, False)


async def test_running_leases_come_first() -> None:
    """A claimed job that had to wait for this machine is not overtaken by jobs that are not claimed yet."""
    lanes, order = Lanes(1, ManualClock()), list[str]()
    await lanes.enter(Lane.RENDER)

    async def work(name: str, in_a_hurry: bool) -> None:
        await lanes.enter(Lane.RENDER, in_a_hurry=in_a_hurry)
        order.append(name)
        lanes.leave(Lane.RENDER)

    async with asyncio.TaskGroup() as group:
        for name in ("new", "newer", "claimed"):
            group.create_task(work(name, name == "claimed"))
            await asyncio.sleep(0)
        lanes.leave(Lane.RENDER)
    assert order == ["claimed", "new", "newer"]
    assert not lanes.is_full(Lane.RENDER)


async def test_a_place_given_to_a_job_that_is_cancelled_goes_to_the_next() -> None:
    """Cancelled in the same moment."""
    lanes = Lanes(1, ManualClock())
    await lanes.enter(Lane.RENDER)
    first = asyncio.create_task(lanes.enter(Lane.RENDER))
    second = asyncio.create_task(lanes.enter(Lane.RENDER))
    await asyncio.sleep(0)
    lanes.leave(Lane.RENDER)
    first.cancel()
    await asyncio.wait_for(second, 1)
    assert first.cancelled()
    lanes.leave(Lane.RENDER)
    assert not lanes.is_full(Lane.RENDER)


@pytest.mark.parametrize("lane", Lane)
async def test_a_cancelled_wait_takes_no_place(lane: Lane) -> None:
    """Nor does a job that is cancelled at work keep one."""
    lanes = Lanes(1, ManualClock())
    while not lanes.is_full(lane):
        await lanes.enter(lane)

    async def work() -> None:
        async with lanes.place(1, silent) as place:
            await place.change(lane)

    waiting = asyncio.create_task(work())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    lanes.leave(lane)
    assert not lanes.is_full(lane)


async def test_the_busy_share_is_that_of_the_renderers_places() -> None:
    """Two places, of which one was taken for half of the time."""
    clock = ManualClock()
    lanes = Lanes(2, clock)
    clock.seconds += 10
    async with lanes.place(1, silent) as place:
        await place.change(Lane.INSPECT)
        await place.change(Lane.RENDER)
        clock.seconds += 10
        assert lanes.busy_percent == 25
    clock.seconds += 20
    assert lanes.busy_percent == 12.5


async def test_a_place_is_waited_for_only_for_some_time() -> None:
    """A lease is running. The place that was not taken is not given back."""
    lanes = Lanes(1, ManualClock())
    async with lanes.within(Lane.AGAIN, 60):
        with pytest.raises(TimeoutError):
            async with lanes.within(Lane.AGAIN, 0.001):
                pytest.fail("it is taken")
        assert lanes.is_full(Lane.AGAIN)
    assert not lanes.is_full(Lane.AGAIN)


async def test_who_fits_comes_before_who_has_waited_longer() -> None:
    """Asked when the place is free: a job under a lease still comes first."""
    lanes, order, fitting = Lanes(1, ManualClock()), list[str](), set[str]()
    await lanes.enter(Lane.RENDER)

    async def work(name: str) -> None:
        await lanes.enter(Lane.RENDER, in_a_hurry=name == "claimed", fits=lambda: name in fitting)
        order.append(name)
        lanes.leave(Lane.RENDER)

    async with asyncio.TaskGroup() as group:
        for name in ("old", "same scene", "claimed"):
            group.create_task(work(name))
            await asyncio.sleep(0)
        fitting.add("same scene")
        lanes.leave(Lane.RENDER)
    assert order == ["claimed", "same scene", "old"]


def any_render(render: Render) -> bool:
    """Follows every render."""
    return True


async def test_one_may_follow_a_render_into_its_place() -> None:
    """fault_320: it goes on at once, holds no place, and gets that very one; a second has to wait."""
    lanes, waits = Lanes(1, ManualClock()), list[str]()
    attempt = Attempt(job_id=1, asset_cid="a", reward_fri=1)
    async with (
        lanes.place(1, silent) as before,
        lanes.place(2, lambda job_id, what: waits.append(what)) as place,
        lanes.place(3, silent) as other,
    ):
        await before.change(Lane.RENDER)
        await place.change(Lane.INSPECT)
        place.is_held = True
        going_on = asyncio.create_task(place.change(Lane.RENDER, follows=any_render))
        await asyncio.sleep(0)
        assert (waits, place.lane) == (["a renderer"], Lane.INSPECT)
        before.note_render(attempt, 3)
        await going_on
        assert (place.lane, place.follows, lanes.is_full(Lane.INSPECT)) == (None, True, False)
        assert (lanes.rendering, lanes.following) == ({1}, {2})
        third = asyncio.create_task(other.change(Lane.RENDER, follows=any_render))
        entering = asyncio.create_task(place.change(Lane.RENDER, in_a_hurry=True))
        await asyncio.sleep(0)
        assert not third.done()
        assert not entering.done()
        assert waits == ["a renderer", "", CHUNK_BEFORE]
        await before.change(None)
        await entering
        assert (lanes.rendering, lanes.following, place.lane) == ({2}, set(), Lane.RENDER)
        assert lanes.is_full(Lane.RENDER)
        third.cancel()
    assert not lanes.is_full(Lane.RENDER)


async def test_nobody_goes_ahead_of_a_job_that_waits_under_its_lease() -> None:
    """It is claimed already, such as after a restart."""
    lanes = Lanes(1, ManualClock())
    attempt = Attempt(job_id=1, asset_cid="a", reward_fri=1)
    async with (
        lanes.place(1, silent) as before,
        lanes.place(2, silent) as claimed,
        lanes.place(3, silent) as place,
    ):
        await before.change(Lane.RENDER)
        waiting = asyncio.create_task(claimed.change(Lane.RENDER, in_a_hurry=True))
        going_on = asyncio.create_task(place.change(Lane.RENDER, follows=any_render))
        await asyncio.sleep(0)
        before.note_render(attempt, 3)
        await asyncio.sleep(0)
        assert not going_on.done()
        before.leave()
        await waiting
        claimed.note_render(attempt, 3)
        await going_on
        assert lanes.following == {3}


async def test_who_follows_no_longer_gets_no_place() -> None:
    """fault_320: its claim was lost or released. The render need not end for it any more."""
    lanes = Lanes(1, ManualClock())
    attempt = Attempt(job_id=1, asset_cid="a", reward_fri=1)
    async with lanes.place(1, silent) as before:
        await before.change(Lane.RENDER)
        render = before.note_render(attempt, 3)
        async with lanes.place(2, silent) as place:
            await place.change(Lane.RENDER, follows=any_render)
            place.needs_by(500.0)
            assert render.until == 500
        assert (render.until, lanes.following) == (float("inf"), set())
        async with lanes.place(3, silent) as place:
            await place.change(Lane.RENDER, follows=any_render)
            place.needs_by(400.0)
            await place.change(None)
            assert (render.until, place.follows) == (float("inf"), False)
    assert not lanes.is_full(Lane.RENDER)


async def test_who_may_follow_and_is_cancelled_in_the_same_moment_frees_nothing() -> None:
    """It had no place to give back; another one may follow."""
    lanes = Lanes(1, ManualClock())
    attempt = Attempt(job_id=1, asset_cid="a", reward_fri=1)

    async def work(job_id: int) -> None:
        async with lanes.place(job_id, silent) as place:
            await place.change(Lane.RENDER, follows=any_render)
            await asyncio.Event().wait()

    async with lanes.place(1, silent) as before:
        await before.change(Lane.RENDER)
        second, third = (asyncio.create_task(work(job_id)) for job_id in (2, 3))
        await asyncio.sleep(0)
        before.note_render(attempt, 3)
        assert lanes.following == {2}
        second.cancel()
        await asyncio.wait([second])
        assert (lanes.following, lanes.rendering, lanes.is_full(Lane.RENDER)) == ({3}, {1}, True)
        third.cancel()
        await asyncio.wait([third])
    assert not lanes.is_full(Lane.RENDER)
