"""How often to poll: often while there is news or a time limit is near, rarely while nothing happens."""

from __future__ import annotations

import time
from collections.abc import Callable

QUIET_SHARE = 0.01
"""The pause grows to this share of the quiet time: after 100 s without news it is 1 s."""


class PollInterval:
    """The pause between two polls, from `shortest_seconds` to `longest_seconds`."""

    def __init__(
        self,
        shortest_seconds: float,
        longest_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` gives monotonic seconds."""
        self._shortest, self._longest = shortest_seconds, max(shortest_seconds, longest_seconds)
        self._clock = clock
        self._news_at = clock()

    def note_news(self) -> None:
        """Notes that something happened: more may follow."""
        self._news_at = self._clock()

    def pause_seconds(self, due_in_seconds: float | None = None, *, busy: bool = False) -> float:
        """Returns how long to wait now, and at most `due_in_seconds`, if anything is due.

        `busy`: no more jobs could be started, so that news can wait.
        """
        pause = self._longest if busy else (self._clock() - self._news_at) * QUIET_SHARE
        if due_in_seconds is not None:
            pause = min(pause, due_in_seconds)
        return min(self._longest, max(self._shortest, pause))
