"""Claims that are being made: an orderly stop waits for them, so that none is left unrecorded."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class InFlightClaims:
    """The jobs whose claims are under way."""

    def __init__(self) -> None:
        self._jobs = Counter[int]()
        self._none = asyncio.Event()
        self._none.set()

    def __contains__(self, job_id: int) -> bool:
        return self._jobs[job_id] > 0

    @contextmanager
    def one(self, job_id: int) -> Iterator[None]:
        """Counts a claim as under way until the block ends."""
        self._jobs[job_id] += 1
        self._none.clear()
        try:
            yield
        finally:
            self._jobs -= Counter((job_id,))
            if not self._jobs:
                self._none.set()

    async def wait_for_none(self) -> None:
        """Waits until no claim is under way."""
        while self._jobs:
            await self._none.wait()
