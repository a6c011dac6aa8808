"""Drafting and posting: what becomes public and what moves money, in which order."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.fakes.registry import FakeRegistry
from tests.unit.creator.stage import (
    ARTIST,
    HEADER,
    OFFER,
    OUTSIDER,
    SCENE,
    STRK,
    UNTOUCHED,
    RefusesLate,
    Stage,
)

from veriframe.errors import (
    Code,
    JobRejected,
    MoveRefused,
    SettingsError,
    StoreUnavailable,
)
from veriframe.model.registry.job import Terms
from veriframe.model.registry.offer import Offer
from veriframe.ports.registry import Funds, read_job
from veriframe.ports.store import Pin


async def test_a_draft_publishes_nothing_and_moves_no_money(stage: Stage) -> None:
    """It has the header, the terms, and the amount from the wallet: here the whole reward."""
    draft = await stage.creator.draft(stage.scene, OFFER)
    assert (len(SCENE), HEADER, 5 * STRK) == (draft.stamp.size_bytes, draft.header, draft.deposit_fri)
    assert OFFER.terms(stage.shared.now) == draft.terms
    assert (stage.store.pinned, stage.store.files, stage.shared.moves) == ([], {}, [])


async def test_credit_is_used_before_the_wallet(stage: Stage) -> None:
    """Only what credit lacks is deposited."""
    await stage.registry.deposit(2 * STRK)
    draft = await stage.creator.draft(stage.scene, OFFER)
    assert draft.deposit_fri == 3 * STRK
    await stage.creator.post(draft)
    assert Funds(wallet_fri=95 * STRK, credit_fri=0) == await stage.funds()


async def test_enough_credit_leaves_the_wallet_alone(stage: Stage) -> None:
    """Nothing is deposited, not even zero."""
    await stage.registry.deposit(7 * STRK)
    posted = await stage.creator.post(await stage.creator.draft(stage.scene, OFFER))
    assert posted.deposited_fri == 0
    assert Funds(wallet_fri=93 * STRK, credit_fri=2 * STRK) == await stage.funds()


async def test_an_account_that_cannot_pay_gets_the_missing_amount(stage: Stage) -> None:
    """Before anything becomes public, with the amounts and the remedy."""
    with pytest.raises(MoveRefused, match=r"150 STRK.*250 STRK.*100 STRK"):
        await stage.creator.draft(stage.scene, Offer(reward_fri=250 * STRK))
    assert stage.store.pinned == []


def _missing(folder: Path) -> Path:
    return folder / "nothing.blend"


def _folder(folder: Path) -> Path:
    return folder


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.blend")
    return folder / "pipe.blend"


def _below_a_file(folder: Path) -> Path:
    return folder / "scene.blend" / "scene.blend"


def _long(folder: Path) -> Path:
    return folder / ("x" * 300)


@pytest.mark.parametrize("make", [_missing, _folder, _pipe, _below_a_file, _long])
async def test_an_unreadable_file_is_a_settings_error(stage: Stage, make: Callable[[Path], Path]) -> None:
    """One sentence that names the file. A named pipe is never opened, because that would block."""
    path = make(stage.folder)
    with pytest.raises(SettingsError) as raised:
        await stage.creator.draft(path, OFFER)
    assert str(raised.value).startswith(f"{path} ")


async def test_a_file_that_is_not_a_scene_is_refused_before_anything_is_public(stage: Stage) -> None:
    """fault_16: the refusal of the header check is raised unchanged."""
    stage.scene.write_bytes(b"<html>not found</html>")
    with pytest.raises(JobRejected) as raised:
        await stage.creator.draft(stage.scene, OFFER)
    assert (raised.value.code, stage.store.pinned) == (Code.NOT_BLEND, [])


async def test_illegal_terms_are_refused_before_anything_is_public(stage: Stage) -> None:
    """fault_8, fault_189: by the registry's own rules, before it is called: the arguments are wrong."""
    with pytest.raises(SettingsError, match="lease"):
        await stage.creator.draft(stage.scene, Offer(reward_fri=STRK, lease_seconds=5))
    assert (stage.store.pinned, stage.shared.moves) == ([], [])


async def test_a_posted_scene_is_kept_under_its_job_and_paid_into_escrow(stage: Stage) -> None:
    """The scene's pin has the job's number, the wallet has paid the reward, the order has the terms."""
    posted = await stage.creator.post(await stage.creator.draft(stage.scene, OFFER))
    job = await read_job(stage.registry, posted.jobs[0])
    assert posted.jobs == (1,)
    assert (posted.asset_cid, posted.terms, ARTIST) == (job.order.asset_cid, job.terms, job.order.creator)
    assert [Pin(cid=posted.asset_cid, name="order-asset-fake-0xa1-1")] == stage.store.pinned
    assert stage.store.files[posted.asset_cid] == SCENE
    assert Funds(wallet_fri=95 * STRK, credit_fri=0) == await stage.funds()
    assert (await stage.registry.totals()).escrow_fri == 5 * STRK


async def test_the_same_scene_posted_twice_is_kept_for_each(stage: Stage) -> None:
    """Releasing one order's scene must not release the other's."""
    await stage.posted()
    await stage.posted()
    assert stage.pin_names() == ["order-asset-fake-0xa1-1", "order-asset-fake-0xa1-2"]
    await stage.creator.cancel(1)
    assert stage.pin_names() == ["order-asset-fake-0xa1-2"]


async def test_a_scene_that_changed_after_the_draft_is_not_posted(stage: Stage) -> None:
    """Blender may have saved it again: only the checked file is posted."""
    draft = await stage.creator.draft(stage.scene, OFFER)
    stage.scene.write_bytes(SCENE + b", saved again")
    with pytest.raises(SettingsError):
        await stage.creator.post(draft)
    assert (stage.store.pinned, stage.shared.moves) == ([], [])


async def test_the_deadline_counts_from_the_posting(stage: Stage) -> None:
    """However long the creator waited before confirming."""
    draft = await stage.creator.draft(stage.scene, Offer(reward_fri=STRK, deadline_seconds=600))
    stage.shared.now += 3600
    posted = await stage.creator.post(draft)
    assert stage.shared.now + 600 == posted.terms.deadline


async def test_an_unavailable_store_leaves_nothing_behind(stage: Stage) -> None:
    """No order, no money moved: the next attempt starts from the beginning."""
    draft = await stage.creator.draft(stage.scene, OFFER)
    stage.store.fault = StoreUnavailable("The content store does not answer.")
    with pytest.raises(StoreUnavailable):
        await stage.creator.post(draft)
    assert stage.shared.moves == []
    assert await stage.funds() == UNTOUCHED


class _LosesStore(FakeRegistry):
    """The store becomes unavailable as soon as the order is posted."""

    stage: Stage

    async def create_order(self, asset_cid: str, terms: Terms, jobs: int) -> Sequence[int]:
        created = await super().create_order(asset_cid, terms, jobs)
        self.stage.store.fault = StoreUnavailable("The content store does not answer.")
        return created


async def test_a_store_that_fails_late_does_not_hide_a_posted_order(stage: Stage) -> None:
    """The job's number is returned, and the scene stays pinned under its first name."""
    registry = _LosesStore(ARTIST, stage.shared)
    registry.stage = stage
    creator = stage.creator_at(registry)
    posted = await creator.post(await creator.draft(stage.scene, OFFER))
    assert posted.jobs == (1,)
    [name] = stage.pin_names()
    assert name.startswith("order-asset-unposted-fake-0xa1-")


@pytest.mark.parametrize("away", [False, True])
async def test_a_refused_order_releases_the_scene(stage: Stage, away: bool) -> None:
    """The registry's reason is raised, even if the store no longer answers."""
    registry = RefusesLate(ARTIST, stage.shared)
    registry.stage, registry.away = stage, away
    creator = stage.creator_at(registry)
    draft = await creator.draft(stage.scene, OFFER)
    with pytest.raises(MoveRefused) as refused:
        await creator.post(draft)
    assert refused.value.rule == "BAD_TERMS"
    assert len(stage.store.pinned) == int(away)
    assert await stage.funds() == UNTOUCHED


async def test_money_spent_after_the_draft_releases_the_scene(stage: Stage) -> None:
    """The wallet is checked again before the order."""
    draft = await stage.creator.draft(stage.scene, OFFER)
    await stage.registry.deposit(99 * STRK)
    await stage.registry.withdraw(99 * STRK, OUTSIDER)
    with pytest.raises(MoveRefused, match="4 STRK") as refused:
        await stage.creator.post(draft)
    assert refused.value.rule == "INSUFFICIENT_FUNDS"
    assert stage.store.pinned == []
