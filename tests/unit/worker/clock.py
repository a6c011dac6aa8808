"""A clock for tests."""

from __future__ import annotations


class ManualClock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        """Returns its time."""
        return self.seconds
