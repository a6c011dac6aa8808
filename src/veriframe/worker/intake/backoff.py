"""Scenes and creators that have cost time for nothing: they are left for a while, or come last."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import structlog

from veriframe.errors import Code
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.registry.job import NOBODY, Address, format_address
from veriframe.model.text import printable
from veriframe.worker.intake.failures import NOT_THE_BYTES

log = structlog.get_logger()

FIRST_SECONDS, LONGEST_SECONDS = 60.0, 3600.0

SLOW_SECONDS = 60.0
"""A scene that took longer to come, and is then refused, has kept others waiting as one that never comes."""

LOST_RACES = 3
"""So many jobs of a creator in a row were gone right before our claim: a race may be lost once or twice."""

MOST_REMEMBERED = 10_000
"""Assets and creators at once; the oldest go first."""


class Backoffs:
    """Assets that could not be had rest, creators whose jobs came to nothing come last; longer each time.

    Else one order of a hundred jobs whose scene nobody has would keep a slot waiting a hundred times, and a
    hundred scenes that are refused after a minute's inspection would keep it from all others.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds that only go on."""
        self._clock = clock
        self._until: dict[str | Address, tuple[int, float]] = {}
        self._lost_races: Counter[Address] = Counter()

    def note(self, attempt: Attempt) -> None:
        """Look at how an attempt ended, or that it was handed in."""
        asset, creator = attempt.asset_cid, attempt.creator
        if attempt.stage is Stage.SUBMITTED:
            self._end(asset)
            self._end(creator)
        elif _is_absent(attempt):
            self._begin(asset, "its scene could not be had")
            self._begin(creator, "its scene could not be had")
        else:
            if Stage.FETCHED in attempt.reached:
                self._end(asset)
            if _is_in_vain(attempt):
                self._begin(creator, f"its scene came to nothing ({attempt.code})")
            elif _is_lost_race(attempt):
                self._note_lost_race(creator)

    def rests(self, asset_cid: str) -> bool:
        """Whether jobs with this asset are left for now."""
        return self._is_left(asset_cid)

    def come_last(self, creator: Address) -> bool:
        """Whether jobs of others go before this creator's."""
        return self._is_left(creator)

    def _note_lost_race(self, creator: Address) -> None:
        self._lost_races[creator] += 1
        if self._lost_races[creator] >= LOST_RACES:
            self._begin(creator, "its jobs were gone right before they were claimed")
        if len(self._lost_races) > MOST_REMEMBERED:
            self._lost_races.clear()

    def _begin(self, key: str | Address, reason: str) -> None:
        if key == NOBODY:
            return
        times = self._until.pop(key, (0, 0.0))[0] + 1
        seconds = backoff_seconds(times)
        self._until[key] = times, self._clock() + seconds
        what = printable(key, 128) if isinstance(key, str) else format_address(key)
        log.info("left_for_now", what=what, seconds=seconds, reason=reason)
        while len(self._until) > MOST_REMEMBERED:
            del self._until[next(iter(self._until))]

    def _end(self, key: str | Address) -> None:
        self._until.pop(key, None)
        if not isinstance(key, str):
            self._lost_races.pop(key, None)

    def _is_left(self, key: str | Address) -> bool:
        return key in self._until and self._until[key][1] > self._clock()


def backoff_seconds(times: int) -> float:
    """How long to wait after so many times in a row: doubled each time, up to an hour."""
    # Counted to a few: a stranger's thousandth failure must not be a number beyond all floats.
    return min(FIRST_SECONDS * 2.0 ** min(times - 1, 10), LONGEST_SECONDS)


def _is_absent(attempt: Attempt) -> bool:
    if attempt.stage is Stage.REFUSED and attempt.code is Code.NOT_FOUND:
        return True
    if attempt.stage not in (Stage.REFUSED, Stage.LOST):
        return False
    # Refused after it dripped in; or its job was over before it came.
    came = attempt.reached.get(Stage.FETCHED)
    if came is None:
        came = attempt.reached.get(attempt.stage) if attempt.stage is Stage.LOST else None
    elif attempt.stage is Stage.LOST:
        return False
    seen = attempt.reached.get(Stage.SEEN)
    return seen is not None and came is not None and came - seen > SLOW_SECONDS


def _is_in_vain(attempt: Attempt) -> bool:
    is_creators = attempt.code is Code.LEASE or attempt.code not in NOT_THE_BYTES
    return attempt.stage in (Stage.REFUSED, Stage.RELEASED) and is_creators


def _is_lost_race(attempt: Attempt) -> bool:
    ready = Stage.CHECKED in attempt.reached and Stage.CLAIMED not in attempt.reached
    # Not what another worker was faster with, nor what our own store had no room for: nobody's fault.
    return ready and attempt.stage is Stage.LOST and attempt.code is Code.CANCELLED
