"""Lanes: how many jobs may be at one kind of work at the same time, and how busy the renderer is.

A job that waits for a renderer may be let on without a place, to follow one that renders: it is claimed
meanwhile, and gets that very place.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum

from veriframe.model.attempt.attempt import Attempt
from veriframe.worker.shared.places import Places, fits_as_well

FETCHES = 16
"""The most scenes that are fetched at once. One that does not arrive costs a connection, not a render."""

CHUNK_BEFORE = "the chunk before it"
"""What a job waits for that follows another."""


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
class Render:
    """A render under way, and how many of its frames are missing.

    `until` is when it should end for the sake of a claim that follows, by the monotonic clock.
    """

    attempt: Attempt
    frames_left: int
    until: float = math.inf


def _follows_none(render: Render) -> bool:
    return False


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
        self._places = {lane: Places(size) for lane, size in sizes.items()}
        self._rendering, self._since, self._busy_seconds, self._began = 0, 0.0, 0.0, clock()
        self._in_use = list[Place]()

    @asynccontextmanager
    async def place(self, job_id: int, on_wait: Callable[[int, str], None]) -> AsyncIterator[Place]:
        """Yields a job's place, in no lane yet; leaves its lane at the end.

        `on_wait` receives the job and what it waits for, and an empty text when it goes on.
        """
        place = Place(self, job_id, on_wait)
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
        self,
        lane: Lane,
        *,
        in_a_hurry: bool = False,
        fits: Callable[[], bool] = fits_as_well,
        follow: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Takes a place, as soon as there is one. Returns False if `follow` has made it unnecessary."""
        has_place = await self._places[lane].enter(in_a_hurry, fits, follow)
        if lane is Lane.RENDER and has_place:
            self._count(1)
        return has_place

    def leave(self, lane: Lane) -> None:
        """Gives a place back."""
        self._places[lane].leave()
        if lane is Lane.RENDER:
            self._count(-1)

    def is_full(self, lane: Lane) -> bool:
        """Whether one more job would have to wait."""
        return self._places[lane].is_full

    @property
    def rendering(self) -> Collection[int]:
        """The jobs that have a renderer."""
        return {place.job_id for place in self._in_use}

    @property
    def following(self) -> Collection[int]:
        """The jobs that get the renderer of another one next: at most one for each."""
        return {place.next.job_id for place in self._in_use if place.next is not None}

    def let_follow(self) -> None:
        """Lets those who wait for a renderer follow a render, if they may now."""
        self._places[Lane.RENDER].let_follow()

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
    """The place of one job: in one lane at a time, or in none. It may follow another into its renderer."""

    def __init__(self, lanes: Lanes, job_id: int, on_wait: Callable[[int, str], None]) -> None:
        self.job_id, self._lanes, self._on_wait = job_id, lanes, on_wait
        self.lane: Lane | None = None
        self.is_held = False
        """Whether the present place is kept until there is one in the next lane."""
        self.next: Place | None = None
        """Who gets this renderer next."""
        self._render: Render | None = None
        self._before: Place | None = None
        self._handed_over = asyncio.Event()

    @property
    def follows(self) -> bool:
        """Whether it is let on without a place, and gets that of another."""
        return self._before is not None

    def has_to_wait(self, lane: Lane | None) -> bool:
        """Whether there is no place for it in this lane now."""
        return lane is not None and lane is not self.lane and (self.follows or self._lanes.is_full(lane))

    async def change(
        self,
        lane: Lane | None,
        *,
        in_a_hurry: bool = False,
        fits: Callable[[], bool] = fits_as_well,
        follows: Callable[[Render], bool] = _follows_none,
    ) -> None:
        """Goes over to another lane, as soon as there is a place in it; or goes on to follow a render.

        `in_a_hurry`: before others. `fits` is asked when a place is free: who fits comes before who does not.
        `follows` is asked as renders progress, and says whether this job may be the next of one.
        """
        if lane is self.lane and not self.follows:
            return
        if self.follows and lane is Lane.RENDER:
            await self._waiting_for(CHUNK_BEFORE, self._handed_over.wait())
            return
        if not self.is_held:
            self.leave()
        if lane is not None:
            entering = self._lanes.enter(
                lane, in_a_hurry=in_a_hurry, fits=fits, follow=lambda: self._follow(follows)
            )
            what = lane.value if self._lanes.is_full(lane) else ""
            if not await self._waiting_for(what, entering):
                return
        self._leave_lane()
        self._enter(lane)

    def note_render(self, attempt: Attempt, frames_left: int) -> Render:
        """Notes what is rendered here, and how much of it is left: another job may follow it."""
        if self._render is None:
            self._render = Render(attempt, frames_left)
        self._render.frames_left = frames_left
        self._lanes.let_follow()
        return self._render

    def needs_by(self, until: float) -> None:
        """Asks the one before it to end by then, by the monotonic clock. Its render is not paused beyond."""
        if self._before is not None and self._before._render is not None:
            self._before._render.until = until

    def leave(self) -> None:
        """Leaves the present lane, or follows no longer."""
        if self._before is not None:
            self.needs_by(math.inf)
            self._before.next, self._before = None, None
            self._lanes.let_follow()
        self._leave_lane()

    def _follow(self, may_follow: Callable[[Render], bool]) -> bool:
        """Becomes the next of the first render that it may follow, if there is one."""
        for before in self._lanes._in_use:
            if before.next is None and before._render is not None and may_follow(before._render):
                self._leave_lane()
                before.next, self._before = self, before
                return True
        return False

    def _enter(self, lane: Lane | None) -> None:
        self.lane = lane
        if lane is Lane.RENDER:
            self._lanes._in_use.append(self)

    def _leave_lane(self) -> None:
        """Gives its place back, or to the next."""
        lane, after = self.lane, self.next
        self.lane, self.is_held, self.next, self._render = None, False, None, None
        if lane is Lane.RENDER:
            self._lanes._in_use.remove(self)
        if after is not None:
            after._before = None
            after._enter(lane)
            after._handed_over.set()
        elif lane is not None:
            self._lanes.leave(lane)

    async def _waiting_for(self, what: str, coming: Awaitable[bool]) -> bool:
        """Says what it waits for meanwhile, if that is anything."""
        if what:
            self._on_wait(self.job_id, what)
        outcome = await coming
        if what:
            self._on_wait(self.job_id, "")
        return outcome
