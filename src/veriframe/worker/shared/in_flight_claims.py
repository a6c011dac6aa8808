"""Claims that are being made: an orderly stop waits for them, so that none is left unrecorded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class InFlightClaims:
    """Counts the claims under way."""

    def __init__(self) -> None:
        self._under_way = 0
        self._none = asyncio.Event()
        self._none.set()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Counts a claim as under way until the block ends."""
        self._under_way += 1
        self._none.clear()
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._none.set()

    async def wait_for_none(self) -> None:
        """Waits until no claim is under way."""
        while self._under_way:
            await self._none.wait()
