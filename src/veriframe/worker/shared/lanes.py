"""Lanes: how many jobs may be at one kind of work at the same time, and how busy the renderer is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum

FETCHES = 16
"""The most scenes that are fetched at once. One that does not arrive costs a connection, not a render."""


class Lane(StrEnum):
    """A kind of work that takes a place. Storing and the registry's moves need none."""

    FETCH = "a fetch"
    INSPECT = "an inspection"
    RENDER = "a renderer"
    DECODE = "decoding"
    """Of rendered frames. Nothing is claimed while all its places are taken."""
    AGAIN = "a second render"
    """Of a black frame, beside the renders. One at a time, or creators would decide how many."""


def inspections(capacity: int) -> int:
    """How many scenes are inspected at once beside so many renders. Each may use a render's memory."""
    return 1 + capacity // 4


@dataclass(eq=False, slots=True)
class _Waiting:
    """One who waits. `fits` says whether the place would suit it now better than others."""

    is_in_a_hurry: bool
    fits: Callable[[], bool]
    place: asyncio.Future[None]


def _fits_as_well() -> bool:
    return False


class _Places:
    """Places that are given in turn, to those who are in a hurry first."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._waiting: list[_Waiting] = []

    @property
    def is_full(self) -> bool:
        """Whether there is none."""
        return not self._free

    async def enter(self, in_a_hurry: bool, fits: Callable[[], bool]) -> None:
        """Takes a place, as soon as there is one."""
        if self._free:
            self._free -= 1
            return
        mine = _Waiting(in_a_hurry, fits, asyncio.get_running_loop().create_future())
        self._waiting.append(mine)
        try:
            await mine.place
        except asyncio.CancelledError:
            if mine in self._waiting:
                self._waiting.remove(mine)
            elif not mine.place.cancelled():
                self.leave()
            raise

    def leave(self) -> None:
        """Gives a place back: to the next who waits, if there is one."""
        waiting = [one for one in self._waiting if not one.place.done()]
        if not waiting:
            self._free += 1
            return
        # Of equals, the first is the one who has waited longest.
        first = max(waiting, key=lambda one: (one.is_in_a_hurry, one.fits()))
        self._waiting.remove(first)
        first.place.set_result(None)


class Lanes:
    """The places of one worker. Jobs under a lease come first, then who fits, then who has waited longest."""

    def __init__(self, capacity: int, clock: Callable[[], float]) -> None:
        """`capacity` is how many renders may run at once. `clock` gives monotonic seconds."""
        sizes: Mapping[Lane, int] = {
            Lane.FETCH: FETCHES,
            Lane.INSPECT: inspections(capacity),
            Lane.RENDER: capacity,
            Lane.DECODE: capacity + 1,
            Lane.AGAIN: 1,
        }
        self.capacity, self._clock = capacity, clock
        self._places = {lane: _Places(size) for lane, size in sizes.items()}
        self._rendering, self._since, self._busy_seconds, self._began = 0, 0.0, 0.0, clock()

    @asynccontextmanager
    async def place(self, on_wait: Callable[[str], None]) -> AsyncIterator[Place]:
        """Yields a job's place, in no lane yet; leaves its lane at the end.

        `on_wait` receives the name of the place that is waited for, and an empty text when there is one.
        """
        place = Place(self, on_wait)
        try:
            yield place
        finally:
            place.leave()

    @asynccontextmanager
    async def within(self, lane: Lane, seconds: float | None = None) -> AsyncIterator[None]:
        """Takes a place while the context lasts. Raises `TimeoutError` if there is none in this time."""
        async with asyncio.timeout(seconds):
            await self.enter(lane)
        try:
            yield
        finally:
            self.leave(lane)

    async def enter(
        self, lane: Lane, *, in_a_hurry: bool = False, fits: Callable[[], bool] = _fits_as_well
    ) -> None:
        """Takes a place, as soon as there is one."""
        await self._places[lane].enter(in_a_hurry, fits)
        if lane is Lane.RENDER:
            self._count(1)

    def leave(self, lane: Lane) -> None:
        """Gives a place back."""
        self._places[lane].leave()
        if lane is Lane.RENDER:
            self._count(-1)

    def is_full(self, lane: Lane) -> bool:
        """Whether one more job would have to wait."""
        return self._places[lane].is_full

    @property
    def busy_percent(self) -> float:
        """The share of the time since the start in which the renderer's places were taken, 0 … 100."""
        self._count(0)
        passed = self._clock() - self._began
        return round(100 * self._busy_seconds / passed / self.capacity, 1) if passed else 0.0

    def _count(self, change: int) -> None:
        now = self._clock()
        self._busy_seconds += self._rendering * (now - self._since)
        self._rendering, self._since = self._rendering + change, now


class Place:
    """The place of one job: in one lane at a time, or in none."""

    def __init__(self, lanes: Lanes, on_wait: Callable[[str], None]) -> None:
        self._lanes, self._on_wait = lanes, on_wait
        self.lane: Lane | None = None
        self.is_held = False
        """Whether the present place is kept until there is one in the next lane."""

    async def change(
        self, lane: Lane | None, *, in_a_hurry: bool = False, fits: Callable[[], bool] = _fits_as_well
    ) -> None:
        """Goes over to another lane, as soon as there is a place in it.

        `in_a_hurry`: before others. `fits` is asked when a place is free: who fits comes before who does not.
        """
        if lane is self.lane:
            return
        if not self.is_held:
            self.leave()
        if lane is not None:
            if waits := self._lanes.is_full(lane):
                self._on_wait(lane.value)
            await self._lanes.enter(lane, in_a_hurry=in_a_hurry, fits=fits)
            if waits:
                self._on_wait("")
            self.leave()
        self.lane = lane

    def leave(self) -> None:
        """Leaves the present lane."""
        if self.lane is not None:
            self._lanes.leave(self.lane)
        self.lane, self.is_held = None, False
