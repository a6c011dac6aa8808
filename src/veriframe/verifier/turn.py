"""Whose turn it is to use this machine: while one verification waits for a delivery, another one renders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Self


@dataclass(slots=True)
class Turns:
    """The turns on one machine. `waiting`: how many verifications wait for deliveries, and share a line."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


@dataclass(slots=True)
class Turn:
    """The turn of one verification. A context manager, which waits for it."""

    turns: Turns
    _is_ours: bool = field(default=False, init=False)

    async def __aenter__(self) -> Self:
        await self._take()
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._give()

    @asynccontextmanager
    async def given_up(self) -> AsyncIterator[None]:
        """Others may use the machine meanwhile. Waits for the turn at the end, unless it is cancelled."""
        self._give()
        self.turns.waiting += 1
        try:
            try:
                yield
            finally:
                self.turns.waiting -= 1
        except asyncio.CancelledError:
            raise
        except BaseException:
            await self._take()
            raise
        await self._take()

    async def _take(self) -> None:
        await self.turns.lock.acquire()
        self._is_ours = True

    def _give(self) -> None:
        if self._is_ours:
            self._is_ours = False
            self.turns.lock.release()
