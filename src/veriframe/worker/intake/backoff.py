"""Backoff for scenes and creators that wasted time: scenes are skipped for a while, creators come last."""

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
"""A job that is over before its scene arrived in this time counts like one whose scene never arrives."""

LOST_RACES = 3
"""This many jobs of a creator in a row were gone right before our claim: one or two lost races are normal."""

MOST_REMEMBERED = 10_000
"""The most assets and creators remembered at once; the oldest are dropped."""


class Backoffs:
    """Assets that could not be fetched are skipped, and creators of wasted jobs come last; longer each time.

    Otherwise one order of a hundred jobs with an unavailable scene would take a place a hundred times, and a
    hundred scenes that are refused after a minute's inspection would keep all others waiting.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives monotonic seconds."""
        self._clock = clock
        self._until: dict[str | Address, tuple[int, float]] = {}
        self._lost_races: Counter[Address] = Counter()

    def note(self, attempt: Attempt) -> None:
        """Notes how an attempt ended, or that it was submitted."""
        asset, creator = attempt.asset_cid, attempt.creator
        if attempt.stage is Stage.SUBMITTED:
            self._end(asset)
            self._end(creator)
        elif _is_absent(attempt):
            self._begin(asset, "its scene could not be fetched")
            self._begin(creator, "its scene could not be fetched")
        else:
            if Stage.FETCHED in attempt.reached:
                self._end(asset)
            if _is_wasted(attempt):
                self._begin(creator, f"its scene could not be rendered ({attempt.code})")
            elif _is_lost_race(attempt):
                self._note_lost_race(creator)

    def is_skipped(self, asset_cid: str) -> bool:
        """Whether jobs with this asset are skipped for now."""
        return self._is_backed_off(asset_cid)

    def comes_last(self, creator: Address) -> bool:
        """Whether jobs of other creators go first."""
        return self._is_backed_off(creator)

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
        log.info("backoff_started", what=what, seconds=seconds, reason=reason)
        while len(self._until) > MOST_REMEMBERED:
            del self._until[next(iter(self._until))]

    def _end(self, key: str | Address) -> None:
        self._until.pop(key, None)
        if not isinstance(key, str):
            self._lost_races.pop(key, None)

    def _is_backed_off(self, key: str | Address) -> bool:
        return key in self._until and self._until[key][1] > self._clock()


def backoff_seconds(times: int) -> float:
    """Returns the wait after this many times in a row: doubled each time, up to an hour."""
    # Capped: the thousandth failure must not overflow a float.
    return min(FIRST_SECONDS * 2.0 ** min(times - 1, 10), LONGEST_SECONDS)


def _is_absent(attempt: Attempt) -> bool:
    if attempt.code is Code.NOT_FOUND:
        return attempt.stage in (Stage.REFUSED, Stage.LOST)
    # A cancellation or a deadline right before fetch_seconds are over does not avoid it.
    gone_at, seen_at = attempt.reached.get(Stage.LOST), attempt.reached.get(Stage.SEEN)
    if Stage.FETCHED in attempt.reached or gone_at is None or seen_at is None:
        return False
    return attempt.stage is Stage.LOST and gone_at - seen_at > SLOW_SECONDS


def _is_wasted(attempt: Attempt) -> bool:
    is_creators = attempt.code is Code.LEASE or attempt.code not in NOT_THE_BYTES
    return attempt.stage in (Stage.REFUSED, Stage.RELEASED) and is_creators


def _is_lost_race(attempt: Attempt) -> bool:
    # Its work ends as soon as it is seen to be cancelled, so the inspection may not be over.
    ready = Stage.FETCHED in attempt.reached and Stage.CLAIMED not in attempt.reached
    # Races that another worker won, and jobs that our own store had no room for, do not count.
    return ready and attempt.stage is Stage.LOST and attempt.code is Code.CANCELLED
