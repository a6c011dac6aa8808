"""How fast this worker renders an asset, as far as it has seen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """The slowest frame so far and the slowest loading, in seconds of the clock, waits included.

    `frame_seconds` is infinite after a frame that exceeded its limit.
    """

    frame_seconds: float
    loading_seconds: float = 0.0

    def seconds(self, frames: int) -> float:
        """How long so many frames may take."""
        return self.loading_seconds + frames * self.frame_seconds
