"""The start of a run: journal, registry, store and disk are reconciled."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.bench import CREATOR, LEASE_SECONDS, ME, OTHER, Bench, result_pin
from tests.scenes.blend_bytes import blend, block
from tests.unit.worker.pipelines import restart

from veriframe.errors import Code, RegistryUnavailable, SettingsError
from veriframe.model.attempt.attempt import Stage
from veriframe.model.content.cid import canonical
from veriframe.model.registry.job import JobState
from veriframe.ports.store import Pin
from veriframe.worker import pipeline
from veriframe.worker.reconciliation import new_attempt
from veriframe.worker.recovery import recover


async def test_a_claim_that_the_journal_lost_is_served(bench: Bench) -> None:
    """fault_77: after a restore from a backup the claim is served, and earns its pay."""
    await bench.post()
    await bench.registry.deposit(10)
    await bench.registry.claim(1)
    await restart(bench.context)
    assert bench.attempt().stage is Stage.CLAIMED
    assert (await pipeline.run(bench.attempt(), bench.context)).stage is Stage.SUBMITTED


async def test_a_submission_that_the_journal_lost_is_watched(bench: Bench) -> None:
    """fault_77: its pay is not forgotten; the registry shows what was submitted."""
    (job,) = await bench.post()
    await pipeline.run(bench.begin(job), bench.context)
    result_cid = bench.attempt().result_cid
    bench.lose_journal()
    await restart(bench.context)
    assert (bench.attempt().stage, bench.attempt().result_cid) == (Stage.SUBMITTED, result_cid)


async def test_other_workers_jobs_and_old_ones_are_ignored(bench: Bench) -> None:
    """No attempts are created for jobs that are not ours, lapsed, or over."""
    await bench.post(jobs=4)
    await bench.other.claim(1)
    await bench.registry.deposit(20)
    await bench.registry.claim(2)
    bench.shared.now += LEASE_SECONDS
    bench.shared.jobs[3] = replace(bench.job(3), state=JobState.PAID, worker=ME)
    await restart(bench.context)
    assert list(bench.journal.tries.values()) == []


async def test_a_lapsed_claim_is_reported_as_lost(bench: Bench) -> None:
    """The worker was stopped for too long: one line with the reason, and an end."""
    (job,) = await bench.post()
    bench.begin(job, Stage.RENDERED)
    await bench.registry.claim(job.id)
    bench.shared.now += LEASE_SECONDS
    await recover(bench.context)
    assert bench.told == [Stage.LOST]
    assert (bench.attempt().stage, bench.attempt().code) == (Stage.LOST, Code.LOST)


async def test_a_failure_keeps_its_reason(bench: Bench) -> None:
    """The release was made and not noted: RELEASED, with its failure's code."""
    (job,) = await bench.post()
    failed = replace(bench.begin(job, Stage.FAILED), code=Code.OOM, detail="Too much memory.")
    bench.amend(failed)
    await recover(bench.context)
    after = bench.attempt()
    assert (after.stage, after.code, after.detail) == (Stage.RELEASED, Code.OOM, "Too much memory.")


async def test_a_false_end_continues_without_its_reason(bench: Bench) -> None:
    """LOST in the journal, claimed by us in the registry."""
    (job,) = await bench.post()
    bench.begin(job, Stage.LOST, code=Code.LOST, detail="Too slow.")
    await bench.registry.deposit(10)
    await bench.registry.claim(1)
    await restart(bench.context)
    after = bench.attempt()
    assert (after.stage, after.code, after.detail) == (Stage.CLAIMED, None, "")


async def test_recovery_may_be_interrupted_and_repeated(bench: Bench) -> None:
    """The registry becomes unavailable in the middle; the second time gives the same."""
    for job in await bench.post(jobs=3):
        bench.begin(job, Stage.RENDERED)
        await bench.registry.claim(job.id)
    bench.shared.now += LEASE_SECONDS
    bench.shared.faults += [RegistryUnavailable("away")]
    with pytest.raises(RegistryUnavailable):
        await recover(bench.context)
    await recover(bench.context)
    await recover(bench.context)
    assert bench.told == [Stage.LOST] * 3


async def test_own_leases_are_checked_first(bench: Bench) -> None:
    """fault_82: of five thousand jobs, only those that the journal names are read."""
    bench.shared.credits[CREATOR] = 10**9
    jobs = await bench.post(jobs=5000)
    for job in (jobs[100], jobs[150], jobs[4000]):
        bench.begin(job, Stage.RENDERED)
        await bench.registry.claim(job.id)
    bench.shared.now += LEASE_SECONDS
    bench.shared.reads = 0
    await recover(bench.context)
    assert (bench.told, bench.shared.reads) == ([Stage.LOST] * 3, 2)


async def test_another_registrys_journal_is_not_used(bench: Bench) -> None:
    """The registry's file was replaced: one clear message, instead of jobs that are silently skipped."""
    await bench.post()
    await recover(bench.context)
    bench.shared.identity = "SN_MAIN-0x2"
    with pytest.raises(SettingsError, match=r"belongs to the registry.*journal away"):
        await restart(bench.context)


@pytest.mark.parametrize("stage", [Stage.FETCHED, Stage.CLAIMED, Stage.REFUSED])
async def test_another_job_at_the_same_number_is_served(bench: Bench, stage: Stage) -> None:
    """fault_11: a reorganisation renumbers orders: the old attempt is lost, the job now there is served."""
    (old,) = await bench.post(scene=blend(block(b"OLD0")))
    bench.begin(old, stage)
    await recover(bench.context)
    bench.shared.jobs.clear()
    (new,) = await bench.post()
    assert (new.id, new.order.asset_cid != old.order.asset_cid) == (old.id, True)
    assert await bench.service().run(once=True)
    assert (bench.attempt().stage, bench.attempt().asset_cid) == (Stage.SUBMITTED, new.order.asset_cid)


@pytest.mark.parametrize("jobs", [1, 200, 201, 800])
async def test_a_lost_journal_is_restored(bench: Bench, jobs: int) -> None:
    """fault_77: one claimed and one submitted; with any number of jobs, neither is forgotten."""
    bench.shared.credits[CREATOR] = 10**9
    first = await bench.post()
    ids = [first[0].id, (await bench.post(jobs=jobs, reward_fri=1))[-1].id]
    await pipeline.run(bench.begin(first[0]), bench.context)
    await bench.registry.claim(ids[1])
    pinned = list(bench.store.pinned)
    bench.lose_journal()
    bench.context = replace(bench.context, policy=replace(bench.policy, minimum_reward_fri=2))
    assert await bench.service().run(once=True)
    assert [bench.attempt(job_id).stage for job_id in ids] == [Stage.SUBMITTED] * 2
    assert set(pinned) <= set(bench.store.pinned), "owed results stay pinned"


async def test_pins_of_ended_attempts_are_released(bench: Bench) -> None:
    """Killed between the end and the clean-up: our own results that nobody needs are released."""
    first, second = await bench.post(jobs=2)
    for job in (first, second):
        await pipeline.run(bench.begin(job), bench.context)
    bench.begin(first, Stage.PAID)
    kept = [
        Pin(cid=bench.attempt(2).result_cid, name=result_pin(ME, 2)),
        Pin(cid="bafkother", name=result_pin(OTHER, 1)),
        Pin(cid="bafkasset", name="order-asset-1"),
    ]
    bench.store.pinned += kept[1:]
    await restart(bench.context)
    assert bench.store.pinned == kept


async def test_folders_of_ended_attempts_are_removed(bench: Bench) -> None:
    """fault_46: unfinished ones stay."""
    first, second = await bench.post(jobs=2)
    for job in (first, second):
        await pipeline.run(bench.begin(job), bench.context)
    bench.begin(first, Stage.PAID)
    await restart(bench.context)
    assert not bench.context.workspace.validated(1).exists()
    assert bench.context.workspace.validated(2).exists()


async def test_equal_content_has_one_key(bench: Bench) -> None:
    """fault_2: another spelling of the same CID is the same asset."""
    (job,) = await bench.post()
    shouted = replace(job, order=replace(job.order, asset_cid=job.order.asset_cid.upper()))
    assert new_attempt(shouted, at=1.0).asset_cid == canonical(job.order.asset_cid)


async def test_an_invalid_cid_is_noted_as_it_is(bench: Bench) -> None:
    """fault_1: it is refused later, like any other asset."""
    (job,) = await bench.post_cid("../x")
    assert new_attempt(job, at=1.0).asset_cid == "../x"
