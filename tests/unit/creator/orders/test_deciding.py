"""Deciding on an order as a whole: accepted and cancelled together, with what became of the money."""

from __future__ import annotations

import pytest
from tests.fakes.registry import FakeRegistry
from tests.unit.creator.orders.studio import Studio
from tests.unit.creator.stage import OUTSIDER, STRK, WORKER

from veriframe.creator.orders.deciding import Decisions, left_words
from veriframe.creator.orders.orders import Orders
from veriframe.creator.orders.values import ChunkState
from veriframe.errors import MoveRefused


async def _two_there(studio: Studio) -> int:
    number = (await studio.ordered()).number
    for chunk in (await studio.status(number)).chunks[:2]:
        await studio.deliver(chunk)
    await studio.fetch(number)
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


async def test_what_nobody_has_checked_is_not_paid(studio: Studio) -> None:
    """fault_210: neither what came after the fetch nor what was taken as it is, unless it is asked for."""
    number = (await studio.ordered()).number
    first, second, _ = (await studio.status(number)).chunks
    await studio.deliver(first)
    await studio.fetch(number, checked=False)
    with pytest.raises(MoveRefused, match="job 1: `veriframe order fetch 1`"):
        await studio.decisions.accept(number, lambda _: True)
    (studio.folder / "out" / ".veriframe-frames.json").unlink()
    await studio.fetch(number)
    await studio.deliver(second)
    decided = await studio.decisions.accept(number, lambda _: True)
    assert [chunk.job.id for chunk in decided.chunks] == [1]
    assert [chunk.job.id for chunk in decided.left] == [2]
    decided = await studio.decisions.accept(number, lambda _: True, unchecked=True)
    assert [chunk.job.id for chunk in decided.chunks] == [2]


async def test_a_result_at_fault_is_neither_there_nor_paid(studio: Studio) -> None:
    """fault_211: a text that is no CID, and what the fetch found; both are told with the reason."""
    number = (await studio.ordered()).number
    first, second, third = (await studio.status(number)).chunks
    await studio.claim(first.job.id)
    await studio.worker.submit_result(first.job.id, "x")
    await studio.deliver(second, {"manifest.json": b"{}"})
    await studio.deliver(third)
    status = await studio.status(number)
    assert (status.frames_there, status.chunks[0].state) == (6, ChunkState.FAULTY)
    found = await studio.fetch(number)
    assert [(one.job_id, one.is_bad) for one in found.missing] == [(1, True), (2, True)]
    decided = await studio.decisions.accept(number, lambda _: True, unchecked=True)
    assert [chunk.job.id for chunk in decided.chunks] == [3]
    assert [chunk.state for chunk in decided.left] == [ChunkState.FAULTY] * 2
    assert decided.after.frames_there == 2
    assert "no CID" in left_words(number, decided.left)
    assert "BAD_MANIFEST" in left_words(number, decided.left)


async def test_the_picture_of_a_bare_scene_is_looked_at(studio: Studio) -> None:
    """fault_210: nothing says which frames and which size it has."""
    await studio.submitted()
    with pytest.raises(MoveRefused, match="look at it"):
        await studio.decisions.accept(1, lambda _: True)
    decided = await studio.decisions.accept(1, lambda _: True, unchecked=True)
    assert decided.after.is_over


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
