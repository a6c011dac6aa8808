"""The market's time: faster than this machine's by a factor."""

from __future__ import annotations

import asyncio
import time

START = 1_700_000_000.0


class MarketClock:
    """Seconds of the market go by `factor` times as fast as real ones."""

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self._began = time.monotonic()

    def monotonic(self) -> float:
        """Seconds since the market opened."""
        return (time.monotonic() - self._began) * self.factor

    def now(self) -> float:
        """Unix seconds, of registry and workers alike."""
        return START + self.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds of the market."""
        await asyncio.sleep(seconds / self.factor)
