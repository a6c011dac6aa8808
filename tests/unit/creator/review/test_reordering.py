"""Chunks that lost their disputes are ordered again: once, at the same terms, whatever happens in between."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.fakes.registry import FakeRegistry
from tests.unit.creator.orders.studio import BUNDLE
from tests.unit.creator.review.reviewed import ALL, JUDGED, Reviewed
from tests.unit.creator.stage import ARTIST, STRK, WORKER
from tests.waiting import until

from veriframe.creator.postings import SETTLED_SECONDS
from veriframe.creator.review.values import Happened
from veriframe.errors import RegistryUnavailable
from veriframe.model.bundle.job_file import Bundle, Split
from veriframe.model.registry.job import Job, JobState, Terms, Verdict
from veriframe.model.registry.offer import Offer
from veriframe.model.verification.findings import Conclusion


async def _lost(reviewed: Reviewed, *parts: int, offer: Offer = JUDGED, bundle: Bundle = BUNDLE) -> None:
    """Deliver an order, have parts of it disputed, and their worker lose."""
    await reviewed.delivered(*parts, offer=offer, bundle=bundle)
    reviewed.says.of = {part + 1: Conclusion.WRONG for part in parts}
    await reviewed.done()
    for part in parts:
        await reviewed.resolve(part + 1, Verdict.CREATOR)


def _orders(reviewed: Reviewed) -> dict[int, list[Job]]:
    found: dict[int, list[Job]] = {}
    for job in reviewed.shared.jobs.values():
        found.setdefault(job.order.id, []).append(job)
    return found


async def test_a_chunk_that_lost_is_ordered_again_at_the_same_terms(reviewed: Reviewed) -> None:
    """Its frames alone, of the same scene, for the same money and times."""
    await _lost(reviewed, 1)
    await reviewed.done()
    before, after = (await reviewed.status(1)).order, (await reviewed.status(2)).order
    assert [one.frames for one in (await reviewed.status(2)).chunks] == [(5, 6, 7, 8)]
    assert replace(after.terms, deadline=0) == replace(before.terms, deadline=0)
    assert after.terms.deadline - after.created_at == before.terms.deadline - before.created_at
    told = reviewed.told[-1]
    assert (told.what, told.order, told.chunk.job.id) == (Happened.ORDERED_AGAIN, 2, 2)
    folders = reviewed.store.folders
    assert folders[after.asset_cid]["shot.blend"] == folders[before.asset_cid]["shot.blend"]
    assert any(pin.cid == after.asset_cid for pin in reviewed.store.pinned)


async def test_it_is_ordered_once(reviewed: Reviewed) -> None:
    """Neither a restart, nor another machine without notes, nor a second loss orders it again."""
    await _lost(reviewed, 1)
    await reviewed.done()
    await reviewed.done()
    reviewed.notes._file.unlink()
    await reviewed.done()
    await reviewed.deliver_parts(2, 0)
    await reviewed.creator.dispute(4)
    await reviewed.resolve(4, Verdict.CREATOR)
    await reviewed.done()
    assert list(_orders(reviewed)) == [1, 2]


async def test_what_a_person_ordered_again_is_not_ordered_once_more(reviewed: Reviewed) -> None:
    """Even if it was ordered together with others."""
    await _lost(reviewed, 0, 1)
    folder = (await reviewed.status(1)).order.asset_cid
    both = replace(BUNDLE, frames=tuple(range(1, 9)))
    note = reviewed.notes.read_orders()[folder]
    await reviewed.posting.post(await reviewed.posting.draft(folder, both, JUDGED, note))
    await reviewed.done()
    assert list(_orders(reviewed)) == [1, 2]
    assert [one.order for one in reviewed.told] == [2, 2]


async def test_only_disputes_order_again(reviewed: Reviewed) -> None:
    """A chunk that its creator cancelled was not wanted; one whose worker won is paid."""
    await reviewed.delivered(0)
    reviewed.says.of = {1: Conclusion.WRONG}
    await reviewed.done()
    await reviewed.resolve(1, Verdict.WORKER)
    await reviewed.creator.cancel(2)
    await reviewed.done()
    assert list(_orders(reviewed)) == [1]


class Interrupted(FakeRegistry):
    """Ends the process while an order is posted: before it is made, or after."""

    is_made = False

    async def create_order(self, asset_cid: str, terms: Terms, jobs: int) -> Sequence[int]:
        """Wait for the end."""
        if self.is_made:
            await super().create_order(asset_cid, terms, jobs)
        self.shared.moves.append("killed")
        await asyncio.Event().wait()
        raise AssertionError


@pytest.mark.parametrize("is_made", [False, True])
@pytest.mark.parametrize("has_notes", [False, True])
async def test_a_kill_while_it_is_posted(reviewed: Reviewed, is_made: bool, has_notes: bool) -> None:
    """fault_318: the next run finds it in the registry, or posts it; there is one, also without notes."""
    await _lost(reviewed, 1)
    registry = Interrupted(ARTIST, reviewed.shared)
    registry.is_made = is_made
    review = reviewed.review(registry=registry)
    await reviewed.see(review)
    async with reviewed.running(review):
        await until(lambda: "killed" in reviewed.shared.moves)
    if not has_notes:
        reviewed.notes._file.unlink()
    await reviewed.done()
    assert list(_orders(reviewed)) == [1, 2]
    assert reviewed.told[-1].order == 2


class Late(FakeRegistry):
    """Loses the reply of an order, which is made while nobody looks."""

    sent: Terms | None = None
    cid = ""

    async def create_order(self, asset_cid: str, terms: Terms, jobs: int) -> Sequence[int]:
        """Keep it for later."""
        assert self.sent is None, "sent twice"
        self.sent, self.cid = terms, asset_cid
        raise RegistryUnavailable("The registry does not answer.")

    async def arrive(self) -> None:
        """Now it is made."""
        assert self.sent is not None
        await super().create_order(self.cid, self.sent, 1)


async def test_an_order_whose_reply_was_lost_is_looked_for(reviewed: Reviewed) -> None:
    """fault_319: while it may still arrive, it is not posted again."""
    await _lost(reviewed, 1)
    registry = Late(ARTIST, reviewed.shared)
    review = reviewed.review(registry=registry)
    await reviewed.see(review)
    async with reviewed.running(review):
        await until(lambda: reviewed.happened().count(Happened.PUT_OFF) == 2)
        assert not review.is_done
        await registry.arrive()
        await until(lambda: Happened.ORDERED_AGAIN in reviewed.happened())
    assert list(_orders(reviewed)) == [1, 2]
    assert SETTLED_SECONDS >= 600


async def test_money_for_disputes_is_not_spent(reviewed: Reviewed) -> None:
    """fault_315: two chunks may still need their bonds; once they do not, the third is ordered again."""
    await _lost(reviewed, 1)
    reviewed.shared.credits[ARTIST] = 0
    reviewed.shared.wallets[ARTIST] = STRK + STRK // 5 - 1
    review = reviewed.review()
    await reviewed.see(review)
    async with reviewed.running(review):
        await until(lambda: Happened.NOT_ORDERED_AGAIN in reviewed.happened())
        assert "for the reward and 2 dispute bonds of 1.2 STRK" in reviewed.told[-1].reason
        assert (review.is_done, list(_orders(reviewed))) == (True, [1])
        await reviewed.creator.cancel(1)
        reviewed.shared.credits[ARTIST] = 0
        await reviewed.see(review)
        await until(lambda: Happened.ORDERED_AGAIN in reviewed.happened())
    assert list(_orders(reviewed)) == [1, 2]


async def test_without_disputes_nothing_is_reserved(reviewed: Reviewed) -> None:
    """The watch disputes nothing then."""
    await _lost(reviewed, 1)
    reviewed.shared.credits[ARTIST], reviewed.shared.wallets[ARTIST] = 0, STRK
    await reviewed.done(replace(ALL, dispute=False))
    assert list(_orders(reviewed)) == [1, 2]


async def test_a_worker_who_was_named_and_lost_is_not_asked_again(reviewed: Reviewed) -> None:
    """A person names another one."""
    await _lost(reviewed, 1, offer=replace(JUDGED, worker=WORKER))
    await reviewed.done()
    assert reviewed.told[-1].what is Happened.NOT_ORDERED_AGAIN
    assert "--worker" in reviewed.told[-1].reason


async def test_a_tile_is_ordered_again_alone(reviewed: Reviewed) -> None:
    """Of a split still; `order fetch` merges it with the others."""
    still = replace(BUNDLE, frames=(1,), chunk=1, split=Split(columns=2, rows=2))
    await reviewed.ordered(still, JUDGED)
    await reviewed.claim(2)
    await reviewed.worker.submit_result(2, "bafkresult")
    reviewed.shared.block += 1
    reviewed.says.of = {2: Conclusion.WRONG}
    await reviewed.done()
    await reviewed.resolve(2, Verdict.CREATOR)
    await reviewed.done()
    (again,) = (await reviewed.status(2)).chunks
    assert (again.frames, again.tile, again.job.state) == ((1,), 1, JobState.OPEN)
