"""Waiting requests are sent together, and each gets its own outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from tests.waiting import turns, until

from veriframe.adapters.starknet.contract.move_batches import MOST, MoveBatcher, Outcome
from veriframe.errors import MoveRefused, RegistryUnavailable


class Runner:
    """Records its batches, refuses the requests in `refused`, and waits for `gate` before it ends."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.refused: set[int] = set()
        self.fault: Exception | None = None
        self.gate = asyncio.Event()
        self.turn = asyncio.Lock()
        self.batcher = MoveBatcher[int](self.turn, self.run)

    async def run(self, requests: Sequence[int]) -> Sequence[Outcome]:
        """One transaction."""
        self.batches.append(list(requests))
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        return [MoveRefused("NO", "No.") if request in self.refused else 5 for request in requests]


async def test_a_single_request_runs_at_once_and_others_together() -> None:
    """The first does not wait; those that arrive in the meantime form one batch."""
    runner = Runner()
    requests = [asyncio.create_task(runner.batcher.make(request)) for request in range(4)]
    await until(lambda: runner.batches)
    assert runner.batches == [[0]]
    runner.gate.set()
    await asyncio.gather(*requests)
    assert runner.batches == [[0], [1, 2, 3]]


async def test_requests_that_may_wait_are_gathered() -> None:
    """Not only the later ones: the first waits for the others."""
    runner = Runner()
    runner.gate.set()
    batcher = MoveBatcher[int](runner.turn, runner.run, 0.01)
    await asyncio.gather(*map(batcher.make, range(4)))
    assert runner.batches == [[0, 1, 2, 3]]
    await asyncio.gather(*map(batcher.make, range(4, 6)))
    assert runner.batches == [[0, 1, 2, 3], [4, 5]]


async def test_one_that_gathers_does_not_hold_up_the_others() -> None:
    """Moves of another kind are made meanwhile. One that is cancelled meanwhile is not made."""
    runner = Runner()
    runner.gate.set()
    gathering = asyncio.create_task(MoveBatcher[int](runner.turn, runner.run, 3600).make(0))
    await asyncio.sleep(0)
    assert await runner.batcher.make(1) == 5
    gathering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gathering
    assert runner.batches == [[1]]


async def test_each_request_gets_its_own_outcome() -> None:
    """A refused request does not affect the others, which return their fee."""
    runner = Runner()
    runner.refused = {2}
    runner.gate.set()
    async with runner.turn:
        requests = [asyncio.create_task(runner.batcher.make(request)) for request in range(4)]
        await asyncio.sleep(0)
    outcomes = await asyncio.gather(*requests, return_exceptions=True)
    assert [getattr(outcome, "rule", outcome) for outcome in outcomes] == [5, 5, "NO", 5]


async def test_a_batch_is_bounded() -> None:
    """The rest is in the next batch; none is left."""
    runner = Runner()
    runner.gate.set()
    async with runner.turn:
        requests = [asyncio.create_task(runner.batcher.make(request)) for request in range(2 * MOST + 1)]
        await asyncio.sleep(0)
    await asyncio.gather(*requests)
    assert [len(batch) for batch in runner.batches] == [MOST, MOST, 1]


async def test_an_outage_fails_all_requests() -> None:
    """Each may be tried again."""
    runner = Runner()
    runner.fault = RegistryUnavailable("away")
    runner.gate.set()
    outcomes = await asyncio.gather(*map(runner.batcher.make, range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [RegistryUnavailable] * 3


async def test_a_bug_is_raised_only_once() -> None:
    """The request that ran the batch raises it; the others fail with a temporary error."""
    runner = Runner()
    runner.fault = KeyError("a bug")
    runner.gate.set()
    async with runner.turn:
        requests = [asyncio.create_task(runner.batcher.make(request)) for request in range(2)]
        await asyncio.sleep(0)
    outcomes = await asyncio.gather(*requests, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [KeyError, RegistryUnavailable]


async def test_one_that_is_cancelled_leaves_the_others_an_outcome() -> None:
    """The request that sent the transaction is gone: the others get a temporary error and do not hang."""
    runner = Runner()
    async with runner.turn:
        first, second = (asyncio.create_task(runner.batcher.make(request)) for request in range(2))
        await asyncio.sleep(0)
    await until(lambda: runner.batches)
    assert runner.batches == [[0, 1]]
    first.cancel()
    with pytest.raises(RegistryUnavailable):
        await second


async def test_one_that_is_cancelled_while_it_waits_is_not_run() -> None:
    """It was in no batch."""
    runner = Runner()
    first, second = (asyncio.create_task(runner.batcher.make(request)) for request in range(2))
    await until(lambda: runner.batches)
    second.cancel()
    runner.gate.set()
    await first
    with pytest.raises(asyncio.CancelledError):
        await second
    assert runner.batches == [[0]]


async def test_a_request_in_the_batch_of_another_can_be_cancelled() -> None:
    """The batch goes on, and the cancelled request ends as cancelled, not with an error."""
    runner = Runner()
    first = asyncio.create_task(runner.batcher.make(0))
    await until(lambda: runner.batches)
    second, third = (asyncio.create_task(runner.batcher.make(request)) for request in (1, 2))
    await turns()
    of_first, runner.gate = runner.gate, asyncio.Event()
    of_first.set()
    assert await first == 5
    await until(lambda: len(runner.batches) == 2)
    assert runner.batches == [[0], [1, 2]]
    third.cancel()
    with pytest.raises(asyncio.CancelledError):
        await third
    runner.gate.set()
    assert await second == 5
