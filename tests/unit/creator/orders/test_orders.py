"""Orders as they are read: by number, as lists, while they change; from the chain and the store alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.registry import FakeRegistry
from tests.unit.creator.orders.studio import BUNDLE, Studio
from tests.unit.creator.stage import OUTSIDER, STRK

from veriframe.creator.orders import orders, posting
from veriframe.creator.orders.notes import OrderNotes
from veriframe.creator.orders.orders import Orders
from veriframe.creator.orders.values import ChunkState
from veriframe.errors import Code, JobRejected, MoveRefused
from veriframe.model.registry.offer import Offer
from veriframe.ports.registry import Snapshot

STATES = [ChunkState.PAID, ChunkState.THERE, ChunkState.UNDER_WAY]


async def _in_all_states(studio: Studio) -> int:
    """An order whose chunks are paid, there and under way."""
    number = (await studio.ordered()).number
    chunks = (await studio.status(number)).chunks
    await studio.deliver(chunks[0])
    await studio.deliver(chunks[1])
    await studio.creator.accept(1)
    await studio.claim(3)
    return number


async def test_an_order_has_its_chunks_frames_and_money(studio: Studio) -> None:
    """Each chunk has its frames, and all money is somewhere."""
    status = await studio.status(await _in_all_states(studio))
    assert [chunk.state for chunk in status.chunks] == STATES
    assert [chunk.frames for chunk in status.chunks] == [(1, 2, 3, 4), (5, 6, 7, 8), (9, 10)]
    assert (status.frames_there, status.frames) == (8, 10)
    assert (status.spent_fri, status.bound_fri, status.returned_fri) == (STRK // 10, STRK // 5, 0)
    assert (status.is_over, status.has_come) == (False, False)


async def test_another_machine_reads_the_same(studio: Studio, tmp_path: Path) -> None:
    """fault_173: without notes, job.json is fetched from the asset alone, and noted."""
    number = await _in_all_states(studio)
    other = Orders(jobs=studio.creator, notes=OrderNotes(tmp_path / "elsewhere", "creator"))
    before = len(studio.store.fetched)
    status = await other.find(number)
    assert [chunk.frames for chunk in status.chunks] == [(1, 2, 3, 4), (5, 6, 7, 8), (9, 10)]
    assert status.name == "shot.blend"
    assert [path for _, path in studio.store.fetched[before:]] == ["job.json"]
    await Orders(jobs=studio.creator, notes=OrderNotes(tmp_path / "elsewhere", "creator")).find(number)
    assert len(studio.store.fetched) == before + 1


async def test_parts_of_a_large_order_are_one(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_162, fault_215: any number of others' orders between them do not matter, nor the notes."""
    for module in (orders, posting):
        monkeypatch.setattr(module, "JOBS_MAX", 2)
    outsider = FakeRegistry(OUTSIDER, studio.shared, wallet_fri=1000 * STRK)
    create = FakeRegistry.create_order

    async def interleaved(self: FakeRegistry, asset_cid: str, terms: object, jobs: int) -> object:
        for _ in range(30 if self.account != OUTSIDER else 0):
            await create(outsider, "bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4", terms, 1)  # type: ignore[arg-type]
        return await create(self, asset_cid, terms, jobs)  # type: ignore[arg-type]

    monkeypatch.setattr(FakeRegistry, "create_order", interleaved)
    posted = await studio.ordered(replace(BUNDLE, chunk=2))
    await studio.ordered(replace(BUNDLE, chunk=2, frames=(1, 2)), Offer(reward_fri=STRK))
    status = await studio.status(posted.number)
    assert [chunk.frames for chunk in status.chunks] == [(1, 2), (3, 4), (5, 6), (7, 8), (9, 10)]
    assert [job.id for job in status.jobs] == list(posted.jobs)
    elsewhere = Orders(jobs=studio.creator, notes=OrderNotes(studio.folder / "elsewhere", "creator"))
    assert (await elsewhere.find(posted.number)).jobs == status.jobs
    listed, _ = await studio.orders.own(10)
    assert [len(one.jobs) for one in listed] == [1, 5]
    newest, _ = await studio.orders.own(1)
    assert [len(one.jobs) for one in newest] == [1]


async def test_a_list_does_not_read_what_others_posted_without_end(studio: Studio) -> None:
    """fault_287: it ends at a bound, says so, and can be asked to go on."""
    mine = await studio.ordered()
    order = (await studio.status(mine.number)).order
    outsider = FakeRegistry(OUTSIDER, studio.shared, wallet_fri=1000 * STRK)
    reads = outsider.jobs_at_once
    await outsider.create_order(order.asset_cid, order.terms, 3 * reads)
    listed, is_cut = await studio.orders.own(10, most_jobs=reads)
    assert (listed, is_cut) == ([], True)
    listed, is_cut = await studio.orders.own(10, most_jobs=1000)
    assert ([one.number for one in listed], is_cut) == ([mine.number], False)


async def test_a_bare_scene_is_an_order_of_one_picture(studio: Studio) -> None:
    """It has no bundle, and its frame counts."""
    job_id = await studio.submitted()
    status = await studio.status(1)
    assert (status.bundle, status.frames, status.frames_there, status.jobs[0].id) == (None, 1, 1, job_id)


@pytest.mark.parametrize("number", [2, 3, 10**9])
async def test_an_unknown_order_is_refused(studio: Studio, number: int) -> None:
    """Before and behind those that exist."""
    await studio.ordered()
    with pytest.raises(MoveRefused) as caught:
        await studio.status(number)
    assert caught.value.rule == "UNKNOWN_ORDER"


async def test_orders_are_found_among_many(studio: Studio) -> None:
    """By halves: a few reads, whatever their number."""
    for _ in range(40):
        await studio.ordered(replace(BUNDLE, frames=(1, 2)), Offer(reward_fri=STRK // 1000))
    for number in (1, 17, 40):
        before = studio.shared.reads
        assert (await studio.status(number)).number == number
        assert studio.shared.reads - before < 10


async def test_a_bundle_that_does_not_fit_its_order_is_refused(studio: Studio) -> None:
    """fault_175: as many jobs as chunks, or nothing is shown as frames."""
    posted = await studio.ordered()
    terms = posted.terms
    await studio.registry.create_order(posted.asset_cids[0], terms, 7)
    with pytest.raises(JobRejected) as caught:
        await studio.status(2)
    assert caught.value.code is Code.PARTS


async def test_a_poll_is_one_read_for_all_chunks(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never one a chunk, and final ones before the first that is not are left out."""
    number = await _in_all_states(studio)
    status = await studio.status(number)
    asked, snapshot = list[tuple[int, int]](), FakeRegistry.snapshot

    async def noted(self: FakeRegistry, first: int, count: int) -> Snapshot:
        asked.append((first, count))
        return await snapshot(self, first, count)

    monkeypatch.setattr(FakeRegistry, "snapshot", noted)
    assert [chunk.state for chunk in (await studio.orders.again(status)).chunks] == STATES
    # Job 1 is paid.
    assert asked == [(2, 2)]


async def test_following_ends_when_all_is_over_and_releases_the_scene(studio: Studio) -> None:
    """The pin of the asset goes with the last chunk."""
    number = await _in_all_states(studio)
    seen = []
    async for status in studio.orders.followed(number, 0.001):
        seen.append(status.count(ChunkState.PAID))
        if len(seen) == 1:
            await studio.creator.registry.accept_result(2)
            await studio.deliver(status.chunks[2])
            await studio.creator.registry.accept_result(3)
    assert seen == [1, 3]
    assert studio.pin_names() == []


async def test_the_time_left_is_by_the_pace_then_by_the_estimate(studio: Studio) -> None:
    """Ten frames of half a minute at first; later by what came since the posting."""
    number = (await studio.ordered()).number
    status = await studio.status(number)
    assert status.seconds_left == 300
    studio.shared.now += 100
    await studio.deliver(status.chunks[0])
    studio.shared.now += 20
    assert (await studio.status(number)).seconds_left == pytest.approx(2 * 100 - 20)


async def test_an_expired_chunk_is_told_apart(studio: Studio) -> None:
    """No worker may claim it any more: its reward is still bound."""
    number = (await studio.ordered()).number
    studio.shared.now += 2 * 86400
    status = await studio.status(number)
    assert {chunk.state for chunk in status.chunks} == {ChunkState.EXPIRED}
    assert (status.is_over, status.bound_fri) == (True, 3 * STRK // 10)
