"""How jobs end, with fakes: pay, withdrawals, claims that a reorganisation removes or restores."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from structlog.testing import capture_logs
from tests.fakes.bench import (
    BOND,
    ME,
    OTHER,
    REVIEW_SECONDS,
    Bench,
    stages,
    until,
)

from veriframe.model.attempt.attempt import Stage
from veriframe.model.registry.job import NOBODY, Address, JobState
from veriframe.ports.store import Pin
from veriframe.worker.own_jobs import LAG_BLOCKS
from veriframe.worker.settlement.settling import Withdrawal


async def test_once_settles_paid_jobs(bench: Bench) -> None:
    """Paid while it was stopped: the pay is noted and the result released, however slow the store is."""
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


async def test_a_bug_in_the_watch_is_reported(bench: Bench) -> None:
    """`run` returns that a bug occurred."""

    async def broken(job_id: int) -> int:
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


async def test_reviews_that_end_together_are_settled_together(bench: Bench) -> None:
    """All jobs due in one poll are finalized at the same time, so that a registry may batch them."""
    await bench.post(jobs=5)
    assert await bench.service().run(once=True)
    finalize, under_way, most = bench.registry.finalize, 0, 0

    async def slow(job_id: int) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.01)
        under_way -= 1
        return await finalize(job_id)

    bench.registry.finalize = slow  # type: ignore[method-assign]
    bench.shared.now += REVIEW_SECONDS
    service = bench.service()
    working = asyncio.create_task(service.run())
    await until(lambda: stages(bench) == [Stage.PAID] * 5)
    service.drain()
    assert await working
    assert most == 5


async def test_credit_above_the_limit_is_withdrawn_at_the_start_and_after_each_pay(bench: Bench) -> None:
    """Earlier credit, and new pay."""
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


async def test_a_bug_in_a_withdrawal_is_reported(bench: Bench) -> None:
    """It is not lost with its task."""

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


async def test_a_claim_that_a_reorganisation_removed_is_made_again(bench: Bench) -> None:
    """fault_66: detected before the result is stored; the open job is claimed again and submitted."""
    await bench.post()
    bench.renderer.gate.clear()
    working = asyncio.create_task(bench.service().run(once=True))
    await until(lambda: bench.renderer.started)
    claimed = bench.job()
    bench.shared.jobs[1] = replace(claimed, state=JobState.OPEN, worker=NOBODY, claimed_at=0, lease_end=0)
    bench.shared.escrows[1] -= BOND
    bench.shared.credits[ME] += BOND
    bench.renderer.gate.set()
    assert await working
    assert stages(bench) == [Stage.SUBMITTED]
    assert bench.shared.moves.count("claim") == 2


async def test_a_claim_that_is_restored_after_its_end_is_served(bench: Bench) -> None:
    """fault_66: noted as lost, and then a reorganisation restores our claim: its lease is running."""
    (job,) = await bench.post()
    await bench.registry.claim(1)
    claimed = bench.job()
    bench.shared.jobs[1] = replace(claimed, worker=OTHER)
    bench.begin(job, Stage.CLAIMED)
    service = bench.service()
    working = asyncio.create_task(service.run())
    await until(lambda: bench.attempt().stage is Stage.LOST and not service._own.is_starting)
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
    await until(lambda: bench.renderer.started)
    bench.shared.jobs[1] = replace(bench.job(), worker=OTHER)
    bench.renderer.gate.set()
    assert await working
    assert stages(bench) == [Stage.LOST]
    assert "submit_result" not in bench.shared.moves
