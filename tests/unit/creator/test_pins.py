"""What is kept for a job is released when nobody needs it any more, and not before."""

from __future__ import annotations

import pytest
from tests.fakes.registry import FakeRegistry
from tests.unit.creator.stage import ARBITER, ARTIST, OFFER, SCENE, STRANGER, STRK, Stage

from veriframe.errors import StoreUnavailable
from veriframe.model.registry.job import JobState, Verdict
from veriframe.model.registry.offer import Offer
from veriframe.model.registry.pin_names import old_asset
from veriframe.ports.store import Pin

JUDGED = Offer(reward_fri=5 * STRK, arbiter=ARBITER)


async def order_of(stage: Stage, jobs: int) -> list[int]:
    """An order of several jobs for the one scene, its scene kept as `post` keeps it."""
    asset_cid = await stage.store.add(stage.scene, "order-asset-fake-0xa1-1")
    await stage.registry.deposit(jobs * 5 * STRK)
    return list(await stage.registry.create_order(asset_cid, OFFER.terms(stage.shared.now), jobs))


async def hand_in(stage: Stage, job_id: int) -> None:
    """The worker does its part."""
    await stage.worker.deposit(STRK)
    await stage.worker.claim(job_id)
    await stage.worker.submit_result(job_id, stage.store.keep(b"picture"))


async def test_an_accepted_job_releases_its_scene(stage: Stage) -> None:
    """fault_56: kept until the worker is paid, and no longer."""
    job_id = await stage.submitted()
    assert stage.pin_names() == ["order-asset-fake-0xa1-1"]
    await stage.creator.accept(job_id)
    assert stage.pin_names() == []


async def test_a_job_that_time_has_ended_releases_its_scene_when_it_is_watched(stage: Stage) -> None:
    """Paid without the creator: whoever follows the job to its end lets the scene go."""
    job_id = await stage.submitted()
    stage.shared.now = (await stage.creator.status(job_id)).job.review_end
    await stage.worker.finalize(job_id)
    states = [status.job.state async for status in stage.creator.statuses(job_id, 0.001)]
    assert (states, stage.pin_names()) == ([JobState.PAID], [])


async def test_a_scene_is_kept_for_the_order_s_other_jobs(stage: Stage) -> None:
    """Two jobs of three are over, one by an acceptance and one by a cancellation: the third needs it."""
    first, second, third = await order_of(stage, 3)
    await hand_in(stage, first)
    await stage.creator.accept(first)
    await stage.creator.cancel(second)
    assert stage.pin_names() == ["order-asset-fake-0xa1-1"]
    await hand_in(stage, third)
    await stage.creator.accept(third)
    assert stage.pin_names() == []


async def test_a_job_that_is_not_seen_yet_counts_as_not_over(stage: Stage) -> None:
    """A registry that lags shows fewer jobs than the order has: nothing is released."""
    first, second = await order_of(stage, 2)
    await hand_in(stage, first)
    del stage.shared.jobs[second]
    await stage.creator.accept(first)
    assert stage.pin_names() == ["order-asset-fake-0xa1-1"]


async def test_other_orders_of_the_same_scene_keep_it(stage: Stage) -> None:
    """Each has a pin of its own."""
    first = await stage.submitted()
    second = await stage.posted()
    await stage.creator.accept(first)
    assert stage.pin_names() == [f"order-asset-fake-0xa1-{second}"]


async def test_evidence_is_kept_until_the_dispute_is_decided(stage: Stage) -> None:
    """The arbiter needs it; then scene and evidence go."""
    job_id = await stage.submitted(offer=JUDGED)
    await stage.creator.dispute(job_id, stage.scene)
    assert stage.pin_names() == ["job-evidence-fake-0xa1-1", "order-asset-fake-0xa1-1"]
    await FakeRegistry(ARBITER, stage.shared).resolve_dispute(job_id, Verdict.WORKER, "the evidence")
    [_ async for _ in stage.creator.changes(job_id, 0.001)]
    assert stage.pin_names() == []


async def test_a_strangers_job_is_not_ours_to_tidy(stage: Stage) -> None:
    """Watching it to its end touches nothing in our store."""
    job_id = await stage.submitted()
    await stage.creator.registry.accept_result(job_id)
    stage.store.pinned.append(Pin(cid="x", name="job-evidence-fake-0xa1-1"))
    stranger = stage.creator_at(FakeRegistry(STRANGER, stage.shared))
    [_ async for _ in stranger.statuses(job_id, 0.001)]
    assert stage.pin_names() == ["job-evidence-fake-0xa1-1", "order-asset-fake-0xa1-1"]


@pytest.mark.parametrize("move", ["accept", "cancel"])
async def test_a_store_that_is_away_hides_nothing(stage: Stage, move: str) -> None:
    """The job is over, whatever the store says."""
    job_id = await (stage.submitted() if move == "accept" else stage.posted())
    stage.store.fault = StoreUnavailable("The content store does not answer.")
    status = await getattr(stage.creator, move)(job_id)
    assert status.job.state is (JobState.PAID if move == "accept" else JobState.REFUNDED)
    assert status.job.order.creator == ARTIST
    stage.store.fault = None
    assert stage.pin_names() == ["order-asset-fake-0xa1-1"]


async def test_a_scene_of_an_earlier_version_gets_its_new_name(stage: Stage) -> None:
    """fault_91: pinned as `order-asset-1` and needed; renamed by the next command that uses the store."""
    job_id = await stage.submitted()
    [pin] = stage.store.pinned
    stage.store.pinned = [Pin(cid=pin.cid, name=old_asset(job_id))]
    second = await stage.posted()
    assert stage.pin_names() == ["order-asset-fake-0xa1-1", f"order-asset-fake-0xa1-{second}"]
    stage.store.pinned = [Pin(cid=pin.cid, name=old_asset(job_id))]
    await stage.creator.accept(job_id)
    assert stage.pin_names() == []


async def test_what_another_registry_keeps_is_left(stage: Stage) -> None:
    """fault_91: scenes and evidence by the same numbers, by old and new names, of other registries' jobs."""
    others = [
        Pin(cid=stage.store.keep(b"another scene"), name="order-asset-1"),
        Pin(cid=stage.store.keep(b"another scene"), name="order-asset-7"),
        Pin(cid=stage.store.keep(b"evidence"), name="job-evidence-1"),
        Pin(cid=stage.store.keep(b"evidence"), name="job-evidence-SN_MAIN-0x1-0xa1-1"),
        Pin(cid=stage.store.keep(SCENE), name="order-asset-SN_MAIN-0x1-0xa1-1"),
        Pin(cid=stage.store.keep(SCENE), name="order-asset-fake-0xd4-1"),
    ]
    stage.store.pinned += others
    job_id = await stage.submitted(offer=JUDGED)
    await stage.creator.dispute(job_id, stage.scene)
    await FakeRegistry(ARBITER, stage.shared).resolve_dispute(job_id, Verdict.WORKER, "the evidence")
    [_ async for _ in stage.creator.changes(job_id, 0.001)]
    assert stage.store.pinned == others


async def test_anothers_order_keeps_its_old_name(stage: Stage) -> None:
    """fault_91: the same registry, the same scene, but another creator's order: not ours to rename."""
    job_id = await stage.posted()
    [pin] = stage.store.pinned
    old = Pin(cid=pin.cid, name=old_asset(job_id))
    stage.store.pinned = [old]
    registry = FakeRegistry(STRANGER, stage.shared, wallet_fri=100 * STRK)
    stranger = stage.creator_at(registry)
    await stranger.post(await stranger.draft(stage.scene, OFFER))
    assert stage.store.pinned[0] == old
