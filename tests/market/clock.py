"""The market's time: faster than real time by a factor."""

from __future__ import annotations

import asyncio
import time

START = 1_700_000_000.0


class MarketClock:
    """Market seconds pass `factor` times as fast as real ones."""

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self._began = time.monotonic()

    def monotonic(self) -> float:
        """Seconds since the market opened."""
        return (time.monotonic() - self._began) * self.factor

    def now(self) -> float:
        """Unix seconds, for the registry and the workers alike."""
        return START + self.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Waits for this many market seconds."""
        await asyncio.sleep(seconds / self.factor)
