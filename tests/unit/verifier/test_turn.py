"""One verification at a time uses the machine; while it waits, another one does."""

from __future__ import annotations

import asyncio

import pytest
from tests.waiting import turns

from veriframe.retry import end
from veriframe.verifier.turn import Turn, Turns


class Machine:
    """A machine that two verifications use. `events` has what they do, in order."""

    def __init__(self) -> None:
        self.turns, self.events, self.users = Turns(), list[str](), 0
        self.arrived = asyncio.Event()

    async def work(self, name: str) -> None:
        """Use it alone for a while."""
        self.users += 1
        assert self.users == 1
        self.events.append(name)
        await turns()
        self.users -= 1

    async def first(self, error: Exception | None = None) -> None:
        """Work, wait for a delivery, which may fail, and work again."""
        async with Turn(self.turns) as turn:
            await self.work("before")
            try:
                async with turn.given_up():
                    await self.arrived.wait()
                    if error is not None:
                        raise error
            except ValueError:
                await self.work("failed")
            await self.work("after")

    async def second(self) -> None:
        """Work, until the other's delivery is there, and a little longer."""
        async with Turn(self.turns):
            await self.work("other")
            self.arrived.set()
            await turns()
            await self.work("other still")


@pytest.mark.parametrize("error", [None, ValueError()])
async def test_another_one_works_while_one_waits(error: Exception | None) -> None:
    """What has waited goes on once the machine is free, and so does what failed."""
    machine = Machine()
    async with asyncio.timeout(5):
        await asyncio.gather(machine.first(error), machine.second())
    told = ["before", "other", "other still", *(["failed"] if error else []), "after"]
    assert machine.events == told
    assert not machine.turns.lock.locked()


async def test_one_that_is_cancelled_while_it_waits_takes_nobodys_turn() -> None:
    """It ends at once, although another one has the machine, which stays that one's."""
    machine = Machine()
    waiting = asyncio.create_task(machine.first())
    await turns()
    await turns()
    async with Turn(machine.turns), asyncio.timeout(5):
        await end([waiting])
        assert machine.turns.lock.locked()
    assert waiting.cancelled()
    assert machine.events == ["before"]
    assert not machine.turns.lock.locked()


async def test_one_that_is_cancelled_before_its_turn_leaves_it() -> None:
    """Neither at the beginning nor after a delivery."""
    machine = Machine()
    waiting = asyncio.create_task(machine.first())
    await turns()
    await turns()
    async with Turn(machine.turns):
        late = asyncio.create_task(machine.second())
        machine.arrived.set()
        await turns()
        await end([waiting, late])
        assert machine.turns.lock.locked()
    assert machine.events == ["before"]
    assert not machine.turns.lock.locked()
