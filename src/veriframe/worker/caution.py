"""What is left alone for a while after failures: claiming, where this machine may be at fault; and scenes."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from veriframe.errors import Code, HostUnavailable
from veriframe.model.attempt import Attempt, Stage
from veriframe.model.job import Address, format_address

log = structlog.get_logger()

FAILURES = 3
"""So many in a row, with nothing handed in between them."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 60.0, 3600.0

MOST_RESTS = 10_000
"""Assets and creators that are remembered at once."""

SUSPECT = frozenset(
    (Code.CRASH, Code.BLENDER_ERROR, Code.NO_OUTPUT, Code.NOT_IMAGE, Code.NOT_FINITE, Code.BLACK)
)
"""What a broken driver or a bad memory module looks like. Limits are not: those are the scenes' own."""


class Caution:
    """Counts failures in a row. Each release costs a part of a bond, so that going on would cost money.

    The pause is bounded: a hostile creator can buy one with three scenes that crash, and no more than that.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds that only go on."""
        self._clock = clock
        self._failures = 0
        self._until = 0.0

    def note(self, attempt: Attempt) -> None:
        """Look at how an attempt ended."""
        if attempt.stage is Stage.SUBMITTED:
            self._failures, self._until = 0, 0.0
        elif attempt.stage is Stage.RELEASED and attempt.code in SUSPECT:
            self._failures += 1
            if self._failures >= FAILURES:
                self._until = self._clock() + _pause_seconds(self._failures - FAILURES)

    def require_none(self) -> None:
        """Raise `HostUnavailable` while claiming pauses."""
        left = self._until - self._clock()
        if left > 0:
            raise HostUnavailable(
                f"The last {self._failures} renders failed here, as on a broken machine. Nothing is claimed "
                f"for another {left:.0f} s. Run `veriframe doctor` to see what this machine renders."
            )


class Absences:
    """Assets that could not be had, which rest for a while, and whose they are, who come last meanwhile.

    Else one order of a hundred jobs whose scene nobody has would keep a slot waiting a hundred times, and
    a hundred such orders would keep it from all others.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds that only go on."""
        self._clock = clock
        self._rests: dict[str | Address, tuple[int, float]] = {}

    def note(self, attempt: Attempt, creator: Address | None) -> None:
        """Look at how an attempt ended; `creator` posted it, where that is known."""
        keys: list[str | Address] = [attempt.asset_cid, *([creator] if creator is not None else [])]
        if attempt.code is Code.NOT_FOUND and attempt.stage is Stage.REFUSED:
            for key in keys:
                failures = self._rests.pop(key, (0, 0.0))[0] + 1
                rest = _pause_seconds(failures - 1)
                self._rests[key] = failures, self._clock() + rest
                what = key if isinstance(key, str) else format_address(key)
                log.info("left_for_now", what=what, seconds=rest, reason="a scene could not be had")
            while len(self._rests) > MOST_RESTS:
                del self._rests[next(iter(self._rests))]
        elif Stage.FETCHED in attempt.reached:
            for key in keys:
                self._rests.pop(key, None)

    def rests(self, asset_cid: str) -> bool:
        """Whether jobs with this asset are left for now."""
        return self._is_left(asset_cid)

    def come_last(self, creator: Address) -> bool:
        """Whether jobs of others go before this creator's."""
        return self._is_left(creator)

    def _is_left(self, key: str | Address) -> bool:
        return key in self._rests and self._rests[key][1] > self._clock()


def _pause_seconds(doublings: int) -> float:
    # Counted to a few: a stranger's thousandth failure must not be a number beyond all floats.
    return min(FIRST_PAUSE_SECONDS * 2.0 ** min(doublings, 10), LONGEST_PAUSE_SECONDS)
