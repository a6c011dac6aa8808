"""Lanes: their places are limited, given in turn, and kept until there is one in the next lane."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.worker.clock import ManualClock

from veriframe.worker.shared.lanes import FETCHES, Lane, Lanes, inspections


def silent(what: str) -> None:
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
    async with lanes.place(waits.append) as place:
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
    async with lanes.place(silent) as place:
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
        async with lanes.place(silent) as place:
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
    async with lanes.place(silent) as place:
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
