"""Places of one kind, given in turn to those who wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(eq=False, slots=True)
class _Waiting:
    """One who waits. `fits` says whether the place would suit it now better than others.

    `follow` lets it follow one who has a place, if it may. `has_place` is set once it waits no longer.
    """

    is_in_a_hurry: bool
    fits: Callable[[], bool]
    follow: Callable[[], bool]
    has_place: asyncio.Future[bool]


def fits_as_well() -> bool:
    """Suits a place no better than others."""
    return False


class Places:
    """Places that are given in turn, to those who are in a hurry first."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._waiting: list[_Waiting] = []

    @property
    def is_full(self) -> bool:
        """Whether there is none."""
        return not self._free

    async def enter(self, in_a_hurry: bool, fits: Callable[[], bool], follow: Callable[[], bool]) -> bool:
        """Takes a place, as soon as there is one. Returns False without one: it follows another."""
        if self._free:
            self._free -= 1
            return True
        mine = _Waiting(in_a_hurry, fits, follow, asyncio.get_running_loop().create_future())
        self._waiting.append(mine)
        self.let_follow()
        try:
            return await mine.has_place
        except asyncio.CancelledError:
            if mine in self._waiting:
                self._waiting.remove(mine)
            elif not mine.has_place.cancelled() and mine.has_place.result():
                self.leave()
            raise

    def leave(self) -> None:
        """Gives a place back: to the next who waits, if there is one."""
        waiting = self._still_waiting()
        if not waiting:
            self._free += 1
            return
        # Of equals, the first is the one who has waited longest.
        first = max(waiting, key=lambda one: (one.is_in_a_hurry, one.fits()))
        self._end_wait(first, has_place=True)

    def let_follow(self) -> None:
        """Lets those on who may follow now, unless somebody waits in a hurry."""
        waiting = self._still_waiting()
        if any(one.is_in_a_hurry for one in waiting):
            return
        for one in waiting:
            if one.follow():
                self._end_wait(one, has_place=False)

    def _still_waiting(self) -> list[_Waiting]:
        return [one for one in self._waiting if not one.has_place.done()]

    def _end_wait(self, one: _Waiting, has_place: bool) -> None:
        self._waiting.remove(one)
        one.has_place.set_result(has_place)
