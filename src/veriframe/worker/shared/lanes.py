"""Lanes: how many jobs may be at one kind of work at the same time, and how busy the renderer is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum

FETCHES = 16
"""The most scenes that are fetched at once. One that does not arrive costs a connection, not a render."""


class Lane(StrEnum):
    """A kind of work that takes a place. Validation, storing and the registry's moves need none."""

    FETCH = "fetch"
    INSPECT = "inspection"
    RENDER = "renderer"
    DECODE = "decoding"
    """Of rendered frames. Nothing is claimed while all its places are taken."""
    AGAIN = "second render"
    """Of a black frame, beside the renders. One at a time, or creators would decide how many."""


class Lanes:
    """The places of one worker, first come, first served."""

    def __init__(self, capacity: int, clock: Callable[[], float]) -> None:
        """`capacity` is how many renders may run at once. `clock` gives monotonic seconds."""
        # One inspection at a time: like a render, it may use all the memory of one.
        sizes: Mapping[Lane, int] = {
            Lane.FETCH: FETCHES,
            Lane.INSPECT: 1,
            Lane.RENDER: capacity,
            Lane.DECODE: capacity + 1,
            Lane.AGAIN: 1,
        }
        self.capacity, self._clock = capacity, clock
        self._places = {lane: asyncio.Semaphore(size) for lane, size in sizes.items()}
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

    async def enter(self, lane: Lane) -> None:
        """Takes a place, as soon as there is one."""
        await self._places[lane].acquire()
        if lane is Lane.RENDER:
            self._count(1)

    def leave(self, lane: Lane) -> None:
        """Gives a place back."""
        self._places[lane].release()
        if lane is Lane.RENDER:
            self._count(-1)

    def is_full(self, lane: Lane) -> bool:
        """Whether one more job would have to wait."""
        return self._places[lane].locked()

    @property
    def busy_share(self) -> float:
        """The share of the time since the start, 0 … 1, in which the renderer's places were taken."""
        self._count(0)
        passed = self._clock() - self._began
        return self._busy_seconds / passed / self.capacity if passed else 0.0

    def _count(self, change: int) -> None:
        now = self._clock()
        self._busy_seconds += self._rendering * (now - self._since)
        self._rendering, self._since = self._rendering + change, now


class Place:
    """The place of one job: in one lane at a time, or in none."""

    def __init__(self, lanes: Lanes, on_wait: Callable[[str], None]) -> None:
        self._lanes, self._on_wait = lanes, on_wait
        self.lane: Lane | None = None

    async def change(self, lane: Lane | None) -> None:
        """Goes over to another lane, as soon as there is a place in it."""
        if lane is self.lane:
            return
        self.leave()
        if lane is not None:
            if self._lanes.is_full(lane):
                self._on_wait(f"a place for {lane.value}")
            await self._lanes.enter(lane)
            self._on_wait("")
        self.lane = lane

    def leave(self) -> None:
        """Leaves the present lane."""
        if self.lane is not None:
            self._lanes.leave(self.lane)
        self.lane = None
