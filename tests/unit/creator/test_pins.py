"""The pins of a job are released when they are no longer needed, and not before."""

from __future__ import annotations

import pytest
from tests.fakes.registry import FakeRegistry
from tests.unit.creator.stage import ARBITER, ARTIST, OFFER, OUTSIDER, SCENE, STRK, Stage

from veriframe.errors import StoreUnavailable
from veriframe.model.registry.job import JobState, Verdict
from veriframe.model.registry.offer import Offer
from veriframe.model.registry.pin_names import old_asset
from veriframe.ports.store import Pin

JUDGED = Offer(reward_fri=5 * STRK, arbiter=ARBITER)


async def order_of(stage: Stage, jobs: int) -> list[int]:
    """An order of several jobs for one scene, pinned as by `post`."""
    asset_cid = await stage.store.add(stage.scene, "order-asset-fake-0xa1-1")
    await stage.registry.deposit(jobs * 5 * STRK)
    return list(await stage.registry.create_order(asset_cid, OFFER.terms(stage.shared.now), jobs))


async def submit(stage: Stage, job_id: int) -> None:
    """Claim and submit as the worker."""
    await stage.worker.deposit(STRK)
    await stage.worker.claim(job_id)
    await stage.worker.submit_result(job_id, stage.store.keep(b"picture"))


async def test_an_accepted_job_releases_its_scene(stage: Stage) -> None:
    """fault_56: the scene is kept until the worker is paid, and no longer."""
    job_id = await stage.submitted()
    assert stage.pin_names() == ["order-asset-fake-0xa1-1"]
    await stage.creator.accept(job_id)
    assert stage.pin_names() == []


async def test_following_a_finalized_job_releases_its_scene(stage: Stage) -> None:
    """The job was paid without the creator; following it to its end releases the scene."""
    job_id = await stage.submitted()
    stage.shared.now = (await stage.creator.status(job_id)).job.review_end
    await stage.worker.finalize(job_id)
    states = [status.job.state async for status in stage.creator.statuses(job_id, 0.001)]
    assert (states, stage.pin_names()) == ([JobState.PAID], [])


async def test_a_scene_is_kept_for_the_order_s_other_jobs(stage: Stage) -> None:
    """Two of three jobs are over, one accepted and one cancelled: the third needs the scene."""
    first, second, third = await order_of(stage, 3)
    await submit(stage, first)
    await stage.creator.accept(first)
    await stage.creator.cancel(second)
    assert stage.pin_names() == ["order-asset-fake-0xa1-1"]
    await submit(stage, third)
    await stage.creator.accept(third)
    assert stage.pin_names() == []


async def test_a_missing_job_counts_as_unfinished(stage: Stage) -> None:
    """A lagging registry shows fewer jobs than the order has: nothing is released."""
    first, second = await order_of(stage, 2)
    await submit(stage, first)
    del stage.shared.jobs[second]
    await stage.creator.accept(first)
    assert stage.pin_names() == ["order-asset-fake-0xa1-1"]


async def test_other_orders_of_the_same_scene_keep_it(stage: Stage) -> None:
    """Each has its own pin."""
    first = await stage.submitted()
    second = await stage.posted()
    await stage.creator.accept(first)
    assert stage.pin_names() == [f"order-asset-fake-0xa1-{second}"]


async def test_evidence_is_kept_until_the_dispute_is_decided(stage: Stage) -> None:
    """The arbiter needs it; afterwards scene and evidence are released."""
    job_id = await stage.submitted(offer=JUDGED)
    await stage.creator.dispute(job_id, stage.scene)
    assert stage.pin_names() == ["job-evidence-fake-0xa1-1", "order-asset-fake-0xa1-1"]
    await FakeRegistry(ARBITER, stage.shared).resolve_dispute(job_id, Verdict.WORKER, "the evidence")
    [_ async for _ in stage.creator.followed(job_id, 0.001)]
    assert stage.pin_names() == []


async def test_following_anothers_job_releases_nothing(stage: Stage) -> None:
    """Our store stays unchanged."""
    job_id = await stage.submitted()
    await stage.creator.registry.accept_result(job_id)
    stage.store.pinned.append(Pin(cid="x", name="job-evidence-fake-0xa1-1"))
    outsider = stage.creator_at(FakeRegistry(OUTSIDER, stage.shared))
    [_ async for _ in outsider.statuses(job_id, 0.001)]
    assert stage.pin_names() == ["job-evidence-fake-0xa1-1", "order-asset-fake-0xa1-1"]


@pytest.mark.parametrize("move", ["accept", "cancel"])
async def test_an_unavailable_store_hides_no_result(stage: Stage, move: str) -> None:
    """The job is over, even if the store does not answer."""
    job_id = await (stage.submitted() if move == "accept" else stage.posted())
    stage.store.fault = StoreUnavailable("The content store does not answer.")
    status = await getattr(stage.creator, move)(job_id)
    assert status.job.state is (JobState.PAID if move == "accept" else JobState.REFUNDED)
    assert status.job.order.creator == ARTIST
    stage.store.fault = None
    assert stage.pin_names() == ["order-asset-fake-0xa1-1"]


async def test_a_scene_of_an_earlier_version_gets_its_new_name(stage: Stage) -> None:
    """fault_91: a pin `order-asset-1` that is still needed; the next command with the store renames it."""
    job_id = await stage.submitted()
    [pin] = stage.store.pinned
    stage.store.pinned = [Pin(cid=pin.cid, name=old_asset(job_id))]
    second = await stage.posted()
    assert stage.pin_names() == ["order-asset-fake-0xa1-1", f"order-asset-fake-0xa1-{second}"]
    stage.store.pinned = [Pin(cid=pin.cid, name=old_asset(job_id))]
    await stage.creator.accept(job_id)
    assert stage.pin_names() == []


async def test_pins_of_another_registry_stay(stage: Stage) -> None:
    """fault_91: scenes and evidence of other registries' jobs with the same numbers, by old and new names."""
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
    [_ async for _ in stage.creator.followed(job_id, 0.001)]
    assert stage.store.pinned == others


async def test_anothers_order_keeps_its_old_name(stage: Stage) -> None:
    """fault_91: the same registry and scene, but another creator's order, is not renamed."""
    job_id = await stage.posted()
    [pin] = stage.store.pinned
    old = Pin(cid=pin.cid, name=old_asset(job_id))
    stage.store.pinned = [old]
    registry = FakeRegistry(OUTSIDER, stage.shared, wallet_fri=100 * STRK)
    outsider = stage.creator_at(registry)
    await outsider.post(await outsider.draft(stage.scene, OFFER))
    assert stage.store.pinned[0] == old
