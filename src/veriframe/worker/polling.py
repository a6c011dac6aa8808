"""How often to look: often while there is news or a time limit is near, seldom where nothing happens."""

from __future__ import annotations

import time
from collections.abc import Callable

QUIET_SHARE = 0.01
"""The pause grows to this share of how long it has been quiet: after 100 s without news it is 1 s."""


class PollInterval:
    """The pause between two looks, from `shortest_seconds` to `longest_seconds`."""

    def __init__(
        self,
        shortest_seconds: float,
        longest_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` gives seconds that only go on."""
        self._shortest, self._longest = shortest_seconds, max(shortest_seconds, longest_seconds)
        self._clock = clock
        self._news_at = clock()

    def note_news(self) -> None:
        """Something happened: more may follow."""
        self._news_at = self._clock()

    def pause_seconds(self, due_in_seconds: float | None = None, *, busy: bool = False) -> float:
        """How long to wait now; not beyond what is due in so many seconds, where anything is.

        `busy`: nothing more could be begun, so that news can wait.
        """
        pause = self._longest if busy else (self._clock() - self._news_at) * QUIET_SHARE
        if due_in_seconds is not None:
            pause = min(pause, due_in_seconds)
        return min(self._longest, max(self._shortest, pause))
