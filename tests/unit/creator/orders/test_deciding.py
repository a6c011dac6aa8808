"""Deciding on an order as a whole: accepted and cancelled together, with what became of the money."""

from __future__ import annotations

import pytest
from tests.fakes.registry import FakeRegistry
from tests.unit.creator.orders.studio import Studio
from tests.unit.creator.stage import OUTSIDER, STRK, WORKER

from veriframe.creator.orders.deciding import Decisions
from veriframe.creator.orders.orders import Orders
from veriframe.creator.orders.values import ChunkState
from veriframe.errors import MoveRefused


async def _two_there(studio: Studio) -> int:
    number = (await studio.ordered()).number
    for chunk in (await studio.status(number)).chunks[:2]:
        await studio.deliver(chunk)
    return number


async def test_all_that_has_come_is_accepted(studio: Studio) -> None:
    """The worker has the rewards; the open chunk stays open."""
    number = await _two_there(studio)
    decided = await studio.decisions.accept(number, lambda _: True)
    assert [chunk.job.id for chunk in decided.chunks] == [1, 2]
    assert [chunk.state for chunk in decided.after.chunks] == [*[ChunkState.PAID] * 2, ChunkState.OPEN]
    assert studio.shared.credits[WORKER] >= STRK // 5
    assert studio.pin_names() == ["order-asset-fake-0xa1-1"]


async def test_only_some_are_accepted(studio: Studio) -> None:
    """By frames or jobs, as the caller chooses."""
    number = await _two_there(studio)
    decided = await studio.decisions.accept(number, lambda chunk: 6 in chunk.frames)
    assert [chunk.job.id for chunk in decided.chunks] == [2]


async def test_open_chunks_are_cancelled_and_the_scene_is_released_at_the_end(studio: Studio) -> None:
    """Their rewards are credit again; what has come is untouched."""
    number = await _two_there(studio)
    decided = await studio.decisions.cancel(number, lambda _: True)
    assert [chunk.job.id for chunk in decided.chunks] == [3]
    assert studio.shared.credits[studio.registry.account] == STRK // 10
    await studio.decisions.accept(number, lambda _: True)
    assert studio.pin_names() == []


async def test_what_came_too_late_is_told_and_the_rest_is_decided(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_179: a job that changed since it was read is refused by itself."""
    number = await _two_there(studio)
    find = Orders.find

    async def then_paid(self: Orders, asked: int) -> object:
        status = await find(self, asked)
        await studio.registry.accept_result(1)
        return status

    monkeypatch.setattr(Orders, "find", then_paid)
    decided = await studio.decisions.accept(number, lambda _: True)
    assert [chunk.job.id for chunk in decided.chunks] == [2]
    assert [chunk.job.id for chunk, _ in decided.refused] == [1]


async def test_nothing_to_decide_is_refused(studio: Studio) -> None:
    """And so is another creator's order."""
    number = (await studio.ordered()).number
    with pytest.raises(MoveRefused) as caught:
        await studio.decisions.accept(number, lambda _: True)
    assert caught.value.rule == "NOTHING_TO_ACCEPT"
    with pytest.raises(MoveRefused) as caught:
        await studio.decisions.cancel(number, lambda chunk: 99 in chunk.frames)
    assert caught.value.rule == "NOTHING_TO_CANCEL"
    other = studio.creator_at(FakeRegistry(OUTSIDER, studio.shared))
    decisions = Decisions(creator=other, orders=Orders(jobs=other, notes=studio.notes))
    with pytest.raises(MoveRefused) as caught:
        await decisions.cancel(number, lambda _: True)
    assert caught.value.rule == "NOT_CREATOR"
