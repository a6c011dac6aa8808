"""A clock for tests."""

from __future__ import annotations


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        """Its time."""
        return self.seconds
