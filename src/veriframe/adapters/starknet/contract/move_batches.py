"""Batches requests of one kind into one transaction.

While a transaction is in progress, further requests queue up, and the next transaction takes them all. If
requests may wait, the first of a batch waits a moment for others. When there are many, each costs a fraction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from veriframe.errors import RegistryUnavailable, VeriFrameError

T = TypeVar("T")

Outcome = VeriFrameError | int
"""How one request ended: an error, or its fee in fri if it was done."""

MOST = 20
"""The most requests in one batch: 20 submissions in a transaction stay far below a block's limits."""


@dataclass(frozen=True, slots=True)
class MoveRequest:
    """A move on a job. For a submission, `cid` is the result's."""

    job_id: int
    cid: str = ""


@dataclass(slots=True, eq=False)
class _Waiting(Generic[T]):
    what: T
    is_over: bool = False
    outcome: Outcome = 0


class MoveBatcher(Generic[T]):
    """Queues requests of one kind and runs them in batches.

    `turn` is held while a batch runs; share it among batchers that must not run at the same time. `run`
    executes a batch and returns the outcomes in order; an error that it raises is the outcome of all. A batch
    starts `gather_seconds` after its first request, or later if it must wait for its turn.
    """

    def __init__(
        self,
        turn: asyncio.Lock,
        run: Callable[[Sequence[T]], Awaitable[Sequence[Outcome]]],
        gather_seconds: float = 0,
    ) -> None:
        self._turn, self._run, self._gather_seconds = turn, run, gather_seconds
        self._start = 0.0
        self._waiting: list[_Waiting[T]] = []

    async def make(self, what: T) -> int:
        """Runs a request with all others that wait. Returns its share of the fee in fri; raises its error."""
        request = _Waiting(what)
        now = asyncio.get_running_loop().time()
        if not self._waiting:
            self._start = now + self._gather_seconds
        self._waiting.append(request)
        try:
            if self._start > now:
                # Outside the turn: moves of other kinds go first.
                await asyncio.sleep(self._start - now)
            async with self._turn:
                while not request.is_over:
                    await self._serve()
        finally:
            # Cancelled: it may be in the batch of another request, which goes on.
            if request in self._waiting:
                self._waiting.remove(request)
        if isinstance(request.outcome, VeriFrameError):
            raise request.outcome
        return request.outcome

    async def _serve(self) -> None:
        """Runs the requests that have waited longest. Each of them gets an outcome."""
        batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        outcomes: Sequence[Outcome] = [
            RegistryUnavailable(
                "The transaction with this move was interrupted. Its outcome is checked again."
            )
        ] * len(batch)
        try:
            outcomes = await self._run([request.what for request in batch])
        except VeriFrameError as error:
            outcomes = [error] * len(batch)
        finally:
            for request, outcome in zip(batch, outcomes, strict=True):
                request.is_over, request.outcome = True, outcome
