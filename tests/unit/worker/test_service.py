"""The worker's loops on fakes: slots, stopping, waiting, and what it does not take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from structlog.testing import capture_logs
from tests.fakes.parts import BOND, CREATOR, LEASE_SECONDS, ME, OTHER, REVIEW_SECONDS, WALLET, Bench, crash
from tests.fakes.registry import FakeRegistry
from tests.fakes.renderer import Script
from tests.scenes.blend_bytes import blend, block

from veriframe.errors import Code, HostUnavailable, JobRejected, RegistryUnavailable, StoreUnavailable
from veriframe.model.attempt import Attempt, Stage
from veriframe.model.job import NOBODY, Address, JobState
from veriframe.ports import Funds, Pin
from veriframe.worker.service import Service
from veriframe.worker.watch import LAG_BLOCKS, Withdrawal


async def until(happened: Callable[[], object]) -> None:
    """Wait for something that must come."""
    async with asyncio.timeout(5):
        while not happened():  # noqa: ASYNC110 - what is waited for is anything
            await asyncio.sleep(0.001)


def stages(bench: Bench) -> list[Stage]:
    """Of all attempts, by job."""
    return [bench.attempt(job_id).stage for job_id in sorted(bench.journal.by_job)]


async def test_once_serves_all_and_ends(bench: Bench) -> None:
    """More jobs than slots; it ends when all are handed in."""
    await bench.post(jobs=5)
    assert await bench.service(slots=2).run(once=True)
    assert stages(bench) == [Stage.SUBMITTED] * 5
    assert bench.shared.moves.count("claim") == bench.shared.moves.count("submit_result") == 5


async def test_once_with_nothing_to_do_ends_at_once(bench: Bench) -> None:
    """An empty registry."""
    assert await bench.service().run(once=True)


async def test_once_sees_to_the_end_what_was_paid(bench: Bench) -> None:
    """Paid while it was away: the pay is noted and the result let go, however slow the store is."""
    await bench.post()
    assert await bench.service().run(once=True)
    await bench.creator.accept_result(1)
    unpin = bench.store.unpin

    async def slowly(pin: Pin) -> None:
        await asyncio.sleep(0.02)
        await unpin(pin)

    bench.store.unpin = slowly  # type: ignore[method-assign]
    assert await bench.service().run(once=True)
    assert stages(bench) == [Stage.PAID]
    assert bench.store.pinned == []


async def test_once_looks_at_all_jobs_before_it_ends(bench: Bench) -> None:
    """The only job that is liked comes after a flood of others."""
    policy = replace(bench.policy, minimum_reward_fri=5)
    bench.parts = replace(bench.parts, policy=policy)
    await bench.post(jobs=1500, reward_fri=1)
    await bench.post(reward_fri=5)
    assert await bench.service().run(once=True)
    assert list(bench.journal.by_job) == [1501]


async def test_slots_are_respected(bench: Bench) -> None:
    """Never more jobs under way than slots, and a freed slot is used."""
    await bench.post(jobs=4)
    bench.renderer.gate.clear()
    working = asyncio.create_task(bench.service(slots=2).run(once=True))
    await until(lambda: bench.renderer.begun == 2)
    await asyncio.sleep(0.02)
    assert sorted(bench.journal.by_job) == sorted(
        job.id for job in bench.shared.jobs.values() if job.state is JobState.CLAIMED
    )
    assert len(bench.journal.by_job) == 2
    bench.renderer.gate.set()
    assert await working
    assert stages(bench) == [Stage.SUBMITTED] * 4


async def test_pay_is_watched_while_it_works(bench: Bench) -> None:
    """Until it is stopped."""
    await bench.post()
    service = bench.service()
    working = asyncio.create_task(service.run())
    await until(lambda: bench.job().state is JobState.SUBMITTED)
    bench.shared.now += REVIEW_SECONDS
    await until(lambda: bench.attempt().stage is Stage.PAID)
    service.drain()
    assert await working


async def test_a_drain_finishes_what_is_claimed_and_takes_no_more(bench: Bench) -> None:
    """fault_74: a render under way ends in a submission; the next job is not claimed."""
    await bench.post(jobs=2)
    bench.renderer.gate.clear()
    service = bench.service()
    working = asyncio.create_task(service.run())
    await until(lambda: bench.renderer.begun)
    service.drain()
    await asyncio.sleep(0.01)
    assert not working.done()
    bench.renderer.gate.set()
    assert await working
    assert stages(bench) == [Stage.SUBMITTED]
    assert bench.shared.moves.count("claim") == 1


async def test_a_drain_lets_go_of_what_is_not_claimed(bench: Bench) -> None:
    """fault_74: waiting for a store that is away; nothing is at stake, and a restart goes on."""
    await bench.post()
    bench.store.fault = StoreUnavailable("away")
    service = bench.service()
    working = asyncio.create_task(service.run())
    await until(lambda: bench.journal.by_job)
    service.drain()
    assert await working
    assert stages(bench) == [Stage.SEEN]
    bench.store.fault = None
    assert await bench.service().run(once=True)
    assert stages(bench) == [Stage.SUBMITTED]


async def test_a_drain_waits_for_a_claim_that_is_being_made(bench: Bench) -> None:
    """A claim that is out is not forgotten: it is finished, and its job served."""
    await bench.post()
    claim, claiming, go = bench.registry.claim, asyncio.Event(), asyncio.Event()

    async def slow(job_id: int) -> None:
        claiming.set()
        await go.wait()
        await claim(job_id)

    bench.registry.claim = slow  # type: ignore[method-assign]
    service = bench.service()
    working = asyncio.create_task(service.run())
    await asyncio.wait_for(claiming.wait(), 5)
    service.drain()
    await asyncio.sleep(0.01)
    go.set()
    assert await working
    assert stages(bench) == [Stage.SUBMITTED]


async def test_a_drain_does_not_wait_for_the_disk(bench: Bench) -> None:
    """CHECKED, and no room for a claim: nothing to finish."""
    await bench.post()
    full = bench.parts.workspace
    bench.begin(bench.job(), Stage.CHECKED)
    bench.parts = replace(bench.parts, disk_free_bytes=2**62)
    service = bench.service()
    with capture_logs() as lines:
        working = asyncio.create_task(service.run())
        await until(lambda: any("Only" in str(line) for line in lines))
        service.drain()
        assert await asyncio.wait_for(working, 5)
    assert stages(bench) == [Stage.CHECKED]
    assert full.folder.exists()


async def test_a_drain_does_not_wait_for_a_registry_that_never_came(bench: Bench) -> None:
    """At the start the registry is away for ever."""
    bench.shared.faults += [RegistryUnavailable("away")] * 100_000
    service = bench.service()
    working = asyncio.create_task(service.run())
    await until(lambda: bench.shared.reads > 3)
    service.drain()
    assert await asyncio.wait_for(working, 5)


async def test_cancelling_kills_the_render_and_a_restart_goes_on(bench: Bench) -> None:
    """fault_75: at once; the claim stands in the journal and is served by the next run."""
    await bench.post()
    bench.renderer.gate.clear()
    working = asyncio.create_task(bench.service().run())
    await until(lambda: bench.renderer.begun)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert bench.renderer.cancelled == 1
    assert stages(bench) == [Stage.CLAIMED]
    bench.renderer.gate.set()
    assert await bench.service().run(once=True)
    assert stages(bench) == [Stage.SUBMITTED]
    assert bench.shared.moves.count("claim") == 1


async def test_claims_of_an_earlier_run_come_first(bench: Bench) -> None:
    """With one slot: the lease that runs before what was only seen, before what is new."""
    seen, claimed, _new = await bench.post(jobs=3)
    await bench.registry.deposit(BOND)
    await bench.registry.claim(claimed.id)
    bench.begin(seen)
    bench.begin(claimed, Stage.CLAIMED)
    assert await bench.service().run(once=True)
    submitted = [a.job_id for a in bench.journal.moves if a.stage is Stage.SUBMITTED]
    assert submitted == [2, 1, 3]


async def test_outages_are_waited_for(bench: Bench) -> None:
    """fault_58: registry and store come back, and the job is served as if nothing had been."""
    await bench.post()
    bench.shared.faults += [RegistryUnavailable("away")] * 7
    fetch, fails = bench.store.fetch, [StoreUnavailable("away")] * 5

    async def shaky(*arguments: object) -> int:
        if fails:
            raise fails.pop()
        return await fetch(*arguments)  # type: ignore[arg-type]

    bench.store.fetch = shaky  # type: ignore[method-assign, assignment]
    assert await bench.service().run(once=True)
    assert stages(bench) == [Stage.SUBMITTED]
    assert bench.shared.moves == [f"deposit {BOND}", "claim", "submit_result"]


async def test_a_journal_that_cannot_be_written_holds_everything(bench: Bench) -> None:
    """fault_76: no claim without a durable note; it goes on when the disk has room again."""
    await bench.post()
    add, fails = bench.journal.add, [HostUnavailable("The disk is full.")] * 3

    def full(attempt: Attempt) -> bool:
        if fails:
            raise fails.pop()
        return add(attempt)

    bench.journal.add = full  # type: ignore[method-assign]
    assert await bench.service().run(once=True)
    assert fails == []
    assert stages(bench) == [Stage.SUBMITTED]


async def test_a_full_disk_takes_no_jobs(bench: Bench) -> None:
    """fault_41: said again and again, and the job stays open for others."""
    await bench.post()
    bench.parts = replace(bench.parts, disk_free_bytes=2**62)
    service = bench.service()
    with capture_logs() as lines:
        working = asyncio.create_task(service.run())
        await until(lambda: any("disk_free_bytes" in str(line) for line in lines))
        service.drain()
        assert await working
    assert bench.journal.by_job == {}


async def test_a_bug_stops_new_jobs_and_keeps_the_stage(bench: Bench) -> None:
    """Logged with its traceback; what is under way goes on; the answer says that there was a bug."""
    await bench.post(jobs=3)
    bench.script.render_failures.append(KeyError("a bug"))
    with capture_logs() as lines:
        assert not await bench.service().run(once=True)
    assert stages(bench) == [Stage.CLAIMED]
    (bug,) = [line for line in lines if line["event"] == "bug"]
    assert bug["exc_info"] is True
    assert await bench.service().run(once=True)
    assert stages(bench) == [Stage.SUBMITTED] * 3


async def test_a_bug_in_one_slot_does_not_end_the_other(bench: Bench) -> None:
    """The other job is finished."""
    bench.renderer.scripts = {b"BLENDER-v405TEST": Script(render_failures=[KeyError("a bug")])}
    await bench.post(scene=blend(block(b"TEST")))
    await bench.post()
    assert not await bench.service(slots=2).run(once=True)
    assert stages(bench) == [Stage.CLAIMED, Stage.SUBMITTED]


async def test_a_bug_in_the_watch_is_told(bench: Bench) -> None:
    """The answer says that there was a bug."""

    async def broken(job_id: int) -> None:
        raise KeyError("a bug")

    await bench.post()
    bench.registry.finalize = broken  # type: ignore[method-assign]
    service = bench.service()
    with capture_logs() as lines:
        working = asyncio.create_task(service.run())
        await until(lambda: bench.job().state is JobState.SUBMITTED)
        bench.shared.now += REVIEW_SECONDS
        await until(lambda: any(line["event"] == "bug" for line in lines))
        service.drain()
        assert not await working
    assert bench.attempt().stage is Stage.SUBMITTED


async def test_an_asset_that_failed_twice_is_not_tried_again(bench: Bench) -> None:
    """fault_38: two failures of the same bytes cost two fees, and not one for each job of the order."""
    await bench.post(jobs=5)
    bench.script.render_failures += [crash() for _ in range(20)]
    with capture_logs() as lines:
        assert await bench.service().run(once=True)
    assert stages(bench) == [Stage.RELEASED] * 2
    assert bench.shared.moves.count("release CRASH") == 2
    left = [line for line in lines if line["event"] == "job_left"]
    assert len(left) == 3
    await bench.post(scene=b"another scene")
    assert await bench.service().run(once=True)
    assert len(bench.journal.by_job) == 3


async def test_a_failed_job_leaves_nothing_on_the_disk(bench: Bench) -> None:
    """Its folder goes with its end."""
    await bench.post()
    bench.script.render_failures += [crash(), crash()]
    assert await bench.service().run(once=True)
    assert stages(bench) == [Stage.RELEASED]
    assert list((bench.folder / "jobs").iterdir()) == []


async def test_a_refused_asset_counts_too(bench: Bench) -> None:
    """No scene: fetched twice, and not a thousand times."""
    await bench.post(jobs=5, scene=b"<html>")
    assert await bench.service().run(once=True)
    assert stages(bench) == [Stage.REFUSED] * 2


@pytest.mark.parametrize("code", [Code.VERSION, Code.SAMPLES, Code.ENGINE])
async def test_what_a_setting_refuses_is_not_held_against_the_bytes(bench: Bench, code: Code) -> None:
    """Another Blender, or other limits, may take them tomorrow."""
    await bench.post(jobs=4)
    bench.script.inspect_failures += [JobRejected(code, "Not here.") for _ in range(4)]
    assert await bench.service().run(once=True)
    assert stages(bench) == [Stage.REFUSED] * 4
    assert bench.journal.poisoned.total() == 0


async def test_a_bond_beyond_our_means_is_not_claimed(bench: Bench) -> None:
    """fault_68: said once, with the remedy; nothing is fetched for it."""
    bench.shared.wallets[ME] = BOND - 1
    await bench.post(jobs=3)
    with capture_logs() as lines:
        assert await bench.service().run(once=True)
    assert bench.journal.by_job == {}
    assert [line["event"] for line in lines].count("no_money_for_bond") == 1


async def test_a_wallet_that_cannot_pay_the_fees_that_follow_claims_nothing(bench: Bench) -> None:
    """fault_68: however much credit there is; said once, with the remedy."""
    bench.shared.credits[ME] = 10 * BOND
    bench.shared.wallets[ME] = 4
    funds = bench.registry.funds

    async def with_reserve(account: Address) -> Funds:
        return replace(await funds(account), reserve_fri=5)

    bench.registry.funds = with_reserve  # type: ignore[method-assign]
    await bench.post(jobs=3)
    with capture_logs() as lines:
        assert await bench.service().run(once=True)
    assert bench.journal.by_job == {}
    assert [line["event"] for line in lines].count("no_money_for_fees") == 1
    bench.shared.wallets[ME] = 5
    assert await bench.service().run(once=True)
    assert len(bench.journal.by_job) == 3


async def test_reviews_that_end_together_are_ended_together(bench: Bench) -> None:
    """All that is due in one look is asked for at the same time, so that a registry may take it as one."""
    await bench.post(jobs=5)
    assert await bench.service().run(once=True)
    finalize, asked, most = bench.registry.finalize, 0, 0

    async def slow(job_id: int) -> None:
        nonlocal asked, most
        asked += 1
        most = max(most, asked)
        await asyncio.sleep(0.01)
        asked -= 1
        await finalize(job_id)

    bench.registry.finalize = slow  # type: ignore[method-assign]
    bench.shared.now += REVIEW_SECONDS
    service = bench.service()
    working = asyncio.create_task(service.run())
    await until(lambda: stages(bench) == [Stage.PAID] * 5)
    service.drain()
    assert await working
    assert most == 5


async def test_an_idle_worker_asks_less_and_less(bench: Bench) -> None:
    """No news, longer pauses; a new job is found all the same, and then it asks often again."""
    service = bench.service(poll_seconds=0.001, idle_seconds=0.05)
    working = asyncio.create_task(service.run())
    await asyncio.sleep(0.02)
    service._pace._news_at -= 100
    await asyncio.sleep(0.06)
    bench.shared.reads = 0
    await asyncio.sleep(0.2)
    assert 2 <= bench.shared.reads <= 2 * 6
    await bench.post()
    await until(lambda: bench.journal.by_job and bench.attempt().stage is Stage.SUBMITTED)
    service.drain()
    assert await working


async def test_credit_above_the_limit_is_sent_out_at_the_start_and_after_each_pay(bench: Bench) -> None:
    """What lay there before, and what is earned."""
    cold = Address(77)
    bench.shared.credits[ME] = 7
    bench.shared.wallets[ME] = 1000
    await bench.post()
    service = bench.service(withdrawal=Withdrawal(keep_fri=2, recipient=cold))
    working = asyncio.create_task(service.run())
    await until(lambda: bench.shared.wallets[cold] == 5)
    await until(lambda: bench.job().state is JobState.SUBMITTED)
    await bench.creator.accept_result(1)
    await until(lambda: bench.shared.wallets[cold] > 5)
    service.drain()
    assert await working
    assert bench.shared.credits[ME] == 2


async def test_a_bug_in_a_withdrawal_is_told(bench: Bench) -> None:
    """It does not vanish with its task."""

    async def broken(amount_fri: int, recipient: Address) -> None:
        raise KeyError("a bug")

    bench.registry.withdraw = broken  # type: ignore[method-assign]
    bench.shared.credits[ME] = 7
    service = bench.service(withdrawal=Withdrawal(keep_fri=2, recipient=Address(77)))
    with capture_logs() as lines:
        working = asyncio.create_task(service.run())
        await until(lambda: any(line["event"] == "bug" for line in lines))
        service.drain()
        assert not await working


async def test_a_claim_that_a_reorganisation_took_back_is_made_again(bench: Bench) -> None:
    """fault_66: found out before the result is stored; open again, it is claimed again and handed in."""
    await bench.post()
    bench.renderer.gate.clear()
    working = asyncio.create_task(bench.service().run(once=True))
    await until(lambda: bench.renderer.begun)
    claimed = bench.job()
    bench.shared.jobs[1] = replace(claimed, state=JobState.OPEN, worker=NOBODY, claimed_at=0, lease_end=0)
    bench.shared.escrows[1] -= BOND
    bench.shared.credits[ME] += BOND
    bench.renderer.gate.set()
    assert await working
    assert stages(bench) == [Stage.SUBMITTED]
    assert bench.shared.moves.count("claim") == 2


async def test_a_claim_that_comes_back_after_its_end_is_served(bench: Bench) -> None:
    """fault_66: given up as lost, and then a reorganisation brings our claim back: its lease runs."""
    (job,) = await bench.post()
    await bench.registry.claim(1)
    claimed = bench.job()
    bench.shared.jobs[1] = replace(claimed, worker=OTHER)
    bench.begin(job, Stage.CLAIMED)
    service = bench.service()
    working = asyncio.create_task(service.run())
    await until(lambda: bench.attempt().stage is Stage.LOST)
    bench.shared.jobs[1] = claimed
    await asyncio.sleep(0.02)
    assert bench.attempt().stage is Stage.LOST
    bench.shared.block += LAG_BLOCKS
    await until(lambda: bench.attempt().stage is Stage.SUBMITTED)
    service.drain()
    assert await working
    assert bench.shared.moves.count("claim") == 1


async def test_a_claim_that_went_to_another_in_a_reorganisation_is_lost(bench: Bench) -> None:
    """fault_66: nothing is stored or submitted for it."""
    await bench.post()
    bench.renderer.gate.clear()
    working = asyncio.create_task(bench.service().run(once=True))
    await until(lambda: bench.renderer.begun)
    bench.shared.jobs[1] = replace(bench.job(), worker=OTHER)
    bench.renderer.gate.set()
    assert await working
    assert stages(bench) == [Stage.LOST]
    assert "submit_result" not in bench.shared.moves


async def test_money_for_one_bond_serves_one_job_at_a_time(bench: Bench) -> None:
    """Four slots and one bond: no claim counts on credit that another one uses; paid, the next one goes."""
    bench.shared.wallets[ME] = BOND
    await bench.post(jobs=2)
    service = bench.service(slots=4)
    working = asyncio.create_task(service.run())
    await until(lambda: bench.shared.moves.count("submit_result") == 1)
    await asyncio.sleep(0.01)
    assert bench.shared.moves.count("claim") == 1
    bench.shared.now += REVIEW_SECONDS
    await until(lambda: bench.shared.moves.count("submit_result") == 2)
    service.drain()
    assert await working


async def test_a_lost_race_may_be_run_again(bench: Bench) -> None:
    """Another was faster and let the lease lapse: the job is as good as new to us."""
    (job,) = await bench.post()
    bench.journal.by_job[1] = replace(bench.begin(job, Stage.LOST), code=Code.LOST)
    await bench.other.claim(1)
    assert await bench.service().run(once=True)
    assert stages(bench) == [Stage.LOST]
    bench.shared.now += LEASE_SECONDS
    assert await bench.service().run(once=True)
    assert stages(bench) == [Stage.SUBMITTED]


async def test_a_lost_race_is_run_again_in_the_same_run(bench: Bench) -> None:
    """Without a restart."""
    await bench.post()
    claim = bench.registry.claim

    async def too_late(job_id: int) -> None:
        bench.registry.claim = claim  # type: ignore[method-assign]
        await bench.other.claim(job_id)
        await claim(job_id)

    bench.registry.claim = too_late  # type: ignore[method-assign]
    service = bench.service()
    working = asyncio.create_task(service.run())
    await until(lambda: bench.journal.by_job and bench.attempt().stage is Stage.LOST)
    bench.shared.now += LEASE_SECONDS
    await until(lambda: bench.attempt().stage is Stage.SUBMITTED)
    service.drain()
    assert await working


@pytest.mark.parametrize("stage", [Stage.REFUSED, Stage.RELEASED, Stage.PAID, Stage.REFUNDED])
async def test_other_ends_are_ends(bench: Bench, stage: Stage) -> None:
    """Open again or not: not tried again."""
    (job,) = await bench.post()
    bench.begin(job, stage)
    assert await bench.service().run(once=True)
    assert stages(bench) == [stage]


async def test_a_lapsed_claim_of_ours_is_not_tried_again(bench: Bench) -> None:
    """The registry would burn a second bond."""
    (job,) = await bench.post()
    await bench.registry.deposit(BOND)
    await bench.registry.claim(1)
    bench.begin(job, Stage.CLAIMED)
    bench.shared.now += LEASE_SECONDS
    assert await bench.service().run(once=True)
    assert stages(bench) == [Stage.LOST]
    assert bench.shared.moves.count("claim") == 1


async def test_a_claim_that_we_let_lapse_is_not_made_again_after_another_one(bench: Bench) -> None:
    """The registry bars whoever let a job lapse, whoever else had it since."""
    (job,) = await bench.post()
    lost = replace(bench.begin(job, Stage.CLAIMED).to(Stage.LOST, at=1.0), code=Code.LOST)
    bench.journal.by_job[1] = lost
    await bench.other.claim(1)
    bench.shared.now += LEASE_SECONDS
    assert await bench.service().run(once=True)
    assert bench.attempt() == lost


async def test_a_job_is_looked_at_again_right_before_it_is_begun(bench: Bench) -> None:
    """Taken by another between the look and the beginning: nothing is begun."""
    await bench.post()
    funds = bench.registry.funds

    async def meanwhile(account: Address) -> Funds:
        if bench.job().state is JobState.OPEN:
            await bench.other.claim(1)
        return await funds(account)

    bench.registry.funds = meanwhile  # type: ignore[method-assign]
    assert await bench.service().run(once=True)
    assert bench.journal.by_job == {}


async def test_two_workers_share_the_jobs(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> None:
    """fault_65: in one loop, over one registry and one store: each job is claimed once."""
    second = Bench(
        tmp_path_factory.mktemp("second"),
        registry=FakeRegistry(OTHER, bench.shared, wallet_fri=WALLET),
        store=bench.store,
        policy=replace(bench.policy, account=OTHER),
    )
    bench.shared.credits[CREATOR] = WALLET
    await bench.post(jobs=20)
    both: list[Service] = [bench.service(slots=3), second.service(slots=3)]
    assert await asyncio.gather(*(service.run(once=True) for service in both)) == [True, True]
    assert {job.state for job in bench.shared.jobs.values()} == {JobState.SUBMITTED}
    assert bench.shared.moves.count("claim") == 20
    assert {job.worker for job in bench.shared.jobs.values()} == {ME, OTHER}
