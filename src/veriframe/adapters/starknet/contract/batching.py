"""Wishes that wait for the same turn are done together: one transaction for many.

While one transaction is under way, others of its kind gather; the next turn takes all of them. So a lone
request goes at once, nothing waits for company, and in a crowd each costs a fraction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from veriframe.errors import RegistryUnavailable, VeriFrameError

T = TypeVar("T")

Outcome = VeriFrameError | int
"""How one request ended: where it was done, what that cost it in fri."""

MOST = 20
"""How many go together: a transaction of as many submissions stays far below a block's limits."""


@dataclass(frozen=True, slots=True)
class MoveRequest:
    """A move on a job. `cid` is the result's, for a submission."""

    job_id: int
    cid: str = ""


@dataclass(slots=True, eq=False)
class _Waiting(Generic[T]):
    what: T
    is_over: bool = False
    outcome: Outcome = 0


class Batcher(Generic[T]):
    """Gathers requests of one kind. `turn` is held while some are done: share it among all that must not mix.

    `run` does some requests as one and returns how each ended, in their order. What it raises counts for all.
    """

    def __init__(
        self, turn: asyncio.Lock, run: Callable[[Sequence[T]], Awaitable[Sequence[Outcome]]]
    ) -> None:
        self._turn, self._run = turn, run
        self._waiting: list[_Waiting[T]] = []

    async def make(self, what: T) -> int:
        """Have it done, with whatever else waits. Returns its share of the fee in fri; raises its error."""
        request = _Waiting(what)
        self._waiting.append(request)
        try:
            async with self._turn:
                while not request.is_over:
                    await self._serve()
        finally:
            if not request.is_over:
                self._waiting.remove(request)
        if isinstance(request.outcome, VeriFrameError):
            raise request.outcome
        return request.outcome

    async def _serve(self) -> None:
        """Do the requests that have waited longest. None of them is left without an outcome."""
        batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        outcomes: Sequence[Outcome] = [
            RegistryUnavailable("The transaction that held this move was cut off. It is looked for again.")
        ] * len(batch)
        try:
            outcomes = await self._run([request.what for request in batch])
        except VeriFrameError as error:
            outcomes = [error] * len(batch)
        finally:
            for request, outcome in zip(batch, outcomes, strict=True):
                request.is_over, request.outcome = True, outcome
