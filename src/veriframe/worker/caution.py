"""When one render after the other fails here, the fault may be this machine's: then claiming pauses."""

from __future__ import annotations

import time
from collections.abc import Callable

from veriframe.errors import Code, HostUnavailable
from veriframe.model.attempt import Attempt, Stage

FAILURES = 3
"""So many in a row, with nothing handed in between them."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 60.0, 3600.0

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
                pause = FIRST_PAUSE_SECONDS * 2 ** (self._failures - FAILURES)
                self._until = self._clock() + min(pause, LONGEST_PAUSE_SECONDS)

    def require_none(self) -> None:
        """Raise `HostUnavailable` while claiming pauses."""
        left = self._until - self._clock()
        if left > 0:
            raise HostUnavailable(
                f"The last {self._failures} renders failed here, as on a broken machine. Nothing is claimed "
                f"for another {left:.0f} s. Run `veriframe doctor` to see what this machine renders."
            )
