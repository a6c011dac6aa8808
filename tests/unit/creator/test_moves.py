"""Accept, cancel, dispute: the registry decides, and a refused move publishes nothing."""

from __future__ import annotations

import pytest
from tests.fakes.registry import FakeRegistry
from tests.unit.creator.stage import (
    ARBITER,
    ARTIST,
    JUDGED,
    OFFER,
    OUTSIDER,
    STRK,
    WORKER,
    RefusesLate,
    Stage,
)

from veriframe.errors import (
    MoveRefused,
    SettingsError,
    StoreUnavailable,
)
from veriframe.model.registry.job import JobState, Verdict
from veriframe.model.registry.offer import LEASE_SECONDS, Offer
from veriframe.ports.registry import Funds


async def test_accepting_pays_the_worker(stage: Stage) -> None:
    """Reward and bond become the worker's credit."""
    status = await stage.creator.accept(await stage.submitted())
    assert JobState.PAID is status.job.state
    assert Funds(wallet_fri=9 * STRK, credit_fri=5 * STRK + STRK) == await stage.funds(WORKER)


@pytest.mark.parametrize("move", ["accept", "cancel", "dispute"])
async def test_an_outsider_makes_no_move_and_pays_nothing(stage: Stage, move: str) -> None:
    """The registry refuses; no bond is deposited and nothing is published."""
    job_id = await stage.submitted(offer=JUDGED)
    outsider = FakeRegistry(OUTSIDER, stage.shared, wallet_fri=STRK)
    moves, files = list(stage.shared.moves), dict(stage.store.files)
    with pytest.raises(MoveRefused) as raised:
        await getattr(stage.creator_at(outsider), move)(job_id)
    assert raised.value.rule == "NOT_CREATOR"
    assert (moves, files) == (stage.shared.moves, stage.store.files)


async def test_cancelling_returns_the_reward_and_releases_the_scene(stage: Stage) -> None:
    """As credit, which `withdraw` moves to the wallet."""
    job_id = await stage.posted()
    status = await stage.creator.cancel(job_id)
    assert (status.job.state, stage.store.pinned) == (JobState.REFUNDED, [])
    assert Funds(wallet_fri=95 * STRK, credit_fri=5 * STRK) == await stage.funds()


async def test_a_job_is_cancelled_although_the_store_is_unavailable(stage: Stage) -> None:
    """A scene that is kept too long is better than a success reported as a failure."""
    job_id = await stage.posted()
    stage.store.fault = StoreUnavailable("The content store does not answer.")
    assert JobState.REFUNDED is (await stage.creator.cancel(job_id)).job.state


async def test_a_job_that_is_being_rendered_cannot_be_cancelled(stage: Stage) -> None:
    """Its scene is not released either; after the claim has lapsed, both are possible."""
    job_id = await stage.claimed()
    with pytest.raises(MoveRefused):
        await stage.creator.cancel(job_id)
    assert stage.pin_names() == ["order-asset-fake-0xa1-1"]
    stage.shared.now += LEASE_SECONDS
    assert JobState.REFUNDED is (await stage.creator.cancel(job_id)).job.state
    assert stage.store.pinned == []


async def test_one_part_of_an_order_does_not_release_the_others_scene(stage: Stage) -> None:
    """An order of several jobs shares one scene."""
    await stage.registry.deposit(2 * STRK)
    cid = await stage.store.add(stage.scene, "order-asset-fake-0xa1-1")
    await stage.registry.create_order(cid, Offer(reward_fri=STRK).terms(stage.shared.now), 2)
    await stage.creator.cancel(1)
    assert stage.pin_names() == ["order-asset-fake-0xa1-1"]


async def test_a_dispute_takes_the_bond_and_names_the_result_as_evidence(stage: Stage) -> None:
    """Half a STRK, deposited because there is no credit."""
    job_id = await stage.submitted(offer=JUDGED)
    status = await stage.creator.dispute(job_id)
    assert JobState.DISPUTED is status.job.state
    assert f"dispute_result {status.job.result_cid}" == stage.shared.moves[-1]
    assert Funds(wallet_fri=100 * STRK - 5 * STRK - STRK // 2, credit_fri=0) == await stage.funds()


async def test_evidence_is_published_with_the_dispute(stage: Stage) -> None:
    """So that the arbiter can read it."""
    job_id = await stage.submitted(offer=JUDGED)
    evidence = stage.folder / "why.png"
    evidence.write_bytes(b"it should look like this")
    await stage.creator.dispute(job_id, evidence)
    [pin] = [pin for pin in stage.store.pinned if pin.name == f"job-evidence-fake-0xa1-{job_id}"]
    assert stage.store.files[pin.cid] == b"it should look like this"
    assert f"dispute_result {pin.cid}" == stage.shared.moves[-1]


async def test_evidence_that_is_not_a_file_moves_nothing(stage: Stage) -> None:
    """It is checked before the bond is deposited."""
    job_id = await stage.submitted(offer=JUDGED)
    moves = list(stage.shared.moves)
    with pytest.raises(SettingsError, match=r"nothing\.png"):
        await stage.creator.dispute(job_id, stage.folder / "nothing.png")
    assert moves == stage.shared.moves


@pytest.mark.parametrize(("offer", "late"), [(OFFER, False), (JUDGED, True)], ids=["no arbiter", "too late"])
async def test_an_illegal_dispute_publishes_nothing_and_moves_no_money(
    stage: Stage, offer: Offer, late: bool
) -> None:
    """The registry gives the reason; the creator's file stays private."""
    job_id = await stage.submitted(offer=offer)
    if late:
        stage.shared.now = (await stage.creator.status(job_id)).job.review_end
    moves, files = list(stage.shared.moves), dict(stage.store.files)
    with pytest.raises(MoveRefused) as raised:
        await stage.creator.dispute(job_id, stage.scene)
    assert raised.value.rule in {"NO_ARBITER", "REVIEW_OVER"}
    assert (moves, files) == (stage.shared.moves, stage.store.files)


@pytest.mark.parametrize("away", [False, True])
async def test_evidence_of_a_refused_dispute_is_released(stage: Stage, away: bool) -> None:
    """The review ended at the same moment: the registry's reason is raised, even without a store."""
    job_id = await stage.submitted(offer=JUDGED)
    registry = RefusesLate(ARTIST, stage.shared)
    registry.stage, registry.away = stage, away
    with pytest.raises(MoveRefused) as refused:
        await stage.creator_at(registry).dispute(job_id, stage.scene)
    assert refused.value.rule == "REVIEW_OVER"
    assert (f"job-evidence-fake-0xa1-{job_id}" in stage.pin_names()) is away


async def test_a_creator_without_money_for_the_bond_publishes_nothing(stage: Stage) -> None:
    """The error names the dispute bond."""
    job_id = await stage.submitted(offer=JUDGED)
    await stage.registry.deposit(95 * STRK)
    await stage.registry.withdraw(95 * STRK, OUTSIDER)
    files = dict(stage.store.files)
    with pytest.raises(MoveRefused, match=r"0\.5 STRK") as refused:
        await stage.creator.dispute(job_id, stage.folder / "scene.blend")
    assert refused.value.rule == "INSUFFICIENT_FUNDS"
    assert files == stage.store.files


async def test_a_won_dispute_returns_everything_to_the_creator(stage: Stage) -> None:
    """Reward and dispute bond become credit."""
    job_id = await stage.submitted(offer=JUDGED)
    await stage.creator.dispute(job_id)
    await FakeRegistry(ARBITER, stage.shared).resolve_dispute(job_id, Verdict.CREATOR, "the evidence")
    assert JobState.REFUNDED is (await stage.creator.status(job_id)).job.state
    assert (await stage.funds()).credit_fri == 5 * STRK + STRK // 2
