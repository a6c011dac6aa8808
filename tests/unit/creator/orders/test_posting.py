"""Posting orders: one upload, one transaction for a thousand chunks, money as shown before."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.registry import FakeRegistry
from tests.unit.creator.orders.studio import BUNDLE, OFFER, Studio
from tests.unit.creator.stage import STRK

from veriframe.creator.orders import posting
from veriframe.creator.orders.notes import OrderNote
from veriframe.creator.orders.posting import PartlyPosted, divided, read_bundle
from veriframe.errors import MoveRefused, RegistryUnavailable, SettingsError
from veriframe.model.bundle.job_file import parse_job_file
from veriframe.model.registry.offer import Offer

NOTE = OrderNote(name="shot.blend")


async def test_an_order_is_one_upload_and_one_transaction(studio: Studio) -> None:
    """Ten frames in chunks of four are three jobs of one order, whose asset is the folder as it is."""
    posted = await studio.ordered()
    assert (posted.number, posted.jobs) == (1, (1, 2, 3))
    assert studio.shared.moves == [f"deposit {3 * STRK // 10}", "create_order"]
    assert posted.deposited_fri == 3 * STRK // 10
    assert set(studio.store.folders[posted.asset_cids[0]]) == {"job.json", "shot.blend", "textures/wood.png"}
    assert studio.pin_names() == ["order-asset-fake-0xa1-1"]


async def test_a_draft_says_what_it_costs_and_does_nothing(studio: Studio) -> None:
    """Nothing is in the store and no money moves."""
    folder = studio.bundle()
    draft = await studio.posting.draft(folder, read_bundle(folder), OFFER, NOTE)
    assert (draft.chunks, draft.frames, draft.reward_fri) == (3, 10, 3 * STRK // 10)
    assert (studio.store.folders, studio.shared.moves) == ({}, [])


async def test_an_order_that_cannot_be_paid_is_refused_before_it_is_public(studio: Studio) -> None:
    """The rewards of all chunks count."""
    folder = studio.bundle()
    with pytest.raises(MoveRefused) as caught:
        await studio.posting.draft(folder, read_bundle(folder), Offer(reward_fri=40 * STRK), NOTE)
    assert caught.value.rule == "INSUFFICIENT_FUNDS"
    assert studio.store.folders == {}


async def test_other_frames_change_job_json_alone(studio: Studio) -> None:
    """What is left out is not posted; the folder on the disk stays as it is."""
    folder = studio.bundle()
    before = (folder / "job.json").read_bytes()
    bundle = replace(read_bundle(folder), frames=(2, 3, 9))
    posted = await studio.posting.post(await studio.posting.draft(folder, bundle, OFFER, NOTE))
    files = studio.store.folders[posted.asset_cids[0]]
    assert parse_job_file(files["job.json"]).frames == (2, 3, 9)
    assert files["textures/wood.png"] == b"wood"
    assert ((folder / "job.json").read_bytes(), posted.jobs) == (before, (1,))
    assert studio.pin_names() == ["order-asset-fake-0xa1-1"]


async def test_more_than_a_thousand_chunks_are_several_orders_shown_as_one(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_162: each part has its own job.json, and all have equal terms; nothing is stored twice."""
    _limit(monkeypatch, 2)
    posted = await studio.ordered(replace(BUNDLE, chunk=2))
    assert (posted.number, posted.jobs) == (1, (1, 2, 3, 4, 5))
    frames = [parse_job_file(studio.store.folders[cid]["job.json"]).frames for cid in posted.asset_cids]
    assert frames == [(1, 2, 3, 4), (5, 6, 7, 8), (9, 10)]
    orders = {job.order.id: job.order for job in studio.shared.jobs.values()}
    assert len({order.terms for order in orders.values()}) == 1
    assert len(studio.pin_names()) == 3


async def test_a_part_that_is_refused_is_told_with_what_is_posted(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_162: the jobs that exist are named, and their scene stays pinned."""
    _limit(monkeypatch, 2)
    create, calls = FakeRegistry.create_order, list[str]()

    async def second_fails(self: FakeRegistry, asset_cid: str, terms: object, jobs: int) -> object:
        calls.append(asset_cid)
        if len(calls) == 2:
            raise MoveRefused("BAD_TERMS", "The registry does not take this part.")
        return await create(self, asset_cid, terms, jobs)  # type: ignore[arg-type]

    monkeypatch.setattr(FakeRegistry, "create_order", second_fails)
    with pytest.raises(PartlyPosted, match="jobs 1 to 2"):
        await studio.ordered(replace(BUNDLE, chunk=2))
    assert studio.pin_names() == ["order-asset-fake-0xa1-1"]


@pytest.mark.parametrize("is_posted", [True, False])
async def test_a_part_whose_reply_is_lost_is_told_with_what_is_posted(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, *, is_posted: bool
) -> None:
    """fault_212: not as an outage after which one tries again; what may be posted stays pinned."""
    _limit(monkeypatch, 2)
    _lose(monkeypatch, 2, is_posted=is_posted)
    with pytest.raises(PartlyPosted, match="Posted: 2 of 5 chunks, as jobs 1 to 2") as caught:
        await studio.ordered(replace(BUNDLE, chunk=2))
    assert "--frames 5-10" in str(caught.value)
    assert "does not answer" in str(caught.value)
    assert any("unposted" in name for name in studio.pin_names())


async def test_an_order_whose_reply_is_lost_is_found_at_a_repeat(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_213: by the note before its first move; its scene stays pinned."""
    _lose(monkeypatch, 1, is_posted=True)
    with pytest.raises(RegistryUnavailable, match="order list"):
        await studio.ordered()
    folder = studio.bundle()
    draft = await studio.posting.draft(folder, read_bundle(folder), OFFER, NOTE)
    (earlier,) = await studio.posting.earlier(draft)
    assert (earlier.number, earlier.live) == (1, frozenset((n, None) for n in range(1, 11)))
    assert any("unposted" in name for name in studio.pin_names())


def _lose(monkeypatch: pytest.MonkeyPatch, number: int, *, is_posted: bool) -> None:
    """Lose the reply of the transaction with this number."""
    create, calls = FakeRegistry.create_order, list[str]()

    async def lost(self: FakeRegistry, asset_cid: str, terms: object, jobs: int) -> object:
        calls.append(asset_cid)
        made = None
        if len(calls) != number or is_posted:
            made = await create(self, asset_cid, terms, jobs)  # type: ignore[arg-type]
        if len(calls) == number:
            raise RegistryUnavailable("The node does not answer.")
        return made

    monkeypatch.setattr(FakeRegistry, "create_order", lost)


async def test_a_refused_order_keeps_nothing_pinned(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder may be removed again."""

    async def refuse(*_: object) -> None:
        raise MoveRefused("BAD_TERMS", "The registry does not take these terms.")

    monkeypatch.setattr(FakeRegistry, "create_order", refuse)
    with pytest.raises(MoveRefused, match="these terms"):
        await studio.ordered()
    assert studio.pin_names() == []


async def test_an_earlier_scene_is_not_stored_again(studio: Studio) -> None:
    """fault_163: lost frames become an order over the same files; only job.json is new."""
    first = await studio.ordered()
    bundle = replace(BUNDLE, frames=(5, 6))
    draft = await studio.posting.draft(first.asset_cids[0], bundle, OFFER, NOTE)
    second = await studio.posting.post(draft)
    files = studio.store.folders[second.asset_cids[0]]
    assert (second.number, parse_job_file(files["job.json"]).frames) == (2, (5, 6))
    assert files["textures/wood.png"] == b"wood"
    assert studio.pin_names() == ["order-asset-fake-0xa1-1", "order-asset-fake-0xa1-4"]


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path, studio: Studio) -> None:
    """fault_164: without job.json, or without the scene that it names."""
    with pytest.raises(SettingsError, match=r"job\.json"):
        read_bundle(tmp_path)
    folder = studio.bundle()
    (folder / BUNDLE.scene).unlink()
    with pytest.raises(SettingsError, match=r"shot\.blend"):
        read_bundle(folder)


def test_a_split_still_is_never_divided() -> None:
    """Its tiles are one order."""
    from veriframe.model.bundle.job_file import Split  # noqa: PLC0415

    bundle = replace(BUNDLE, frames=(1,), chunk=1, split=Split(columns=32, rows=32))
    assert divided(bundle) == (bundle,)


async def test_notes_and_job_json_name_no_folder_of_this_machine(studio: Studio) -> None:
    """fault_174: planted names of a user and a folder are nowhere in what is noted or published."""
    planted = studio.folder / "home" / "grace-hopper"
    planted.mkdir(parents=True)
    posted = await studio.ordered()
    noted = (studio.folder / "home" / "scenes-creator.jsonl").read_text()
    published = studio.store.folders[posted.asset_cids[0]]["job.json"].decode()
    for text in (noted, published):
        assert str(studio.folder) not in text
        assert "grace" not in text
    assert json.loads(noted.splitlines()[0])["scene"] == "shot.blend"


def _limit(monkeypatch: pytest.MonkeyPatch, jobs: int) -> None:
    monkeypatch.setattr(posting, "JOBS_MAX", jobs)


async def test_an_outage_after_the_last_part_is_told_as_posted(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_212: nothing is to be tried again."""
    create = FakeRegistry.create_order

    async def then_away(self: FakeRegistry, *given: object) -> object:
        made = await create(self, *given)  # type: ignore[arg-type]

        async def away(*_: object) -> None:
            raise RegistryUnavailable("The node does not answer.")

        monkeypatch.setattr(FakeRegistry, "snapshot", away)
        return made

    monkeypatch.setattr(FakeRegistry, "create_order", then_away)
    with pytest.raises(PartlyPosted, match="Posted: 3 of 3 chunks, as jobs 1 to 3"):
        await studio.ordered()
