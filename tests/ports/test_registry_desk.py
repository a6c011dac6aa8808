"""Tests of every registry's moves for creators and arbiters, and of money."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.ports.registry_world import (
    ARBITRATION,
    CID,
    CREDIT,
    KINDS,
    LEASE,
    REVIEW,
    WALLET,
    B,
    R,
    World,
    open_world,
    rule,
)

from veriframe.errors import Code
from veriframe.model.registry.job import NOBODY, Address, JobState, Verdict
from veriframe.ports.registry import Funds, Totals, read_job


@pytest.fixture(params=KINDS)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """Each registry."""
    async with open_world(request, tmp_path) as opened:
        yield opened


async def test_a_creator_accepts(world: World) -> None:
    """At once, and even after the review; no other account can."""
    job_id = await world.submitted()
    assert await rule(world.worker.accept_result(job_id)) == "NOT_CREATOR"
    world.wait(REVIEW)
    await world.creator.accept_result(job_id)
    assert await world.state(job_id) is JobState.PAID
    assert await rule(world.creator.accept_result(job_id)) == "NOT_SUBMITTED"
    assert await world.credits() == (-R, R, 0)


async def test_a_creator_cancels_an_unclaimed_job(world: World) -> None:
    """Not with a live claim, not after a submission; a lapsed bond is burned."""
    job_id = await world.post()
    assert await rule(world.worker.cancel_job(job_id)) == "NOT_CREATOR"
    await world.creator.cancel_job(job_id)
    assert await world.credits() == (0, 0, 0)
    assert await rule(world.creator.cancel_job(job_id)) == "NOT_OPEN"
    job_id = await world.claimed()
    assert await rule(world.creator.cancel_job(job_id)) == "LIVE_CLAIM"
    world.wait(LEASE)
    await world.creator.cancel_job(job_id)
    assert await world.credits() == (0, -B, B)
    assert (await read_job(world.creator, job_id)).worker == NOBODY
    assert await rule(world.creator.cancel_job(await world.submitted())) == "NOT_OPEN"


VERDICTS = [
    (Verdict.WORKER, JobState.PAID, (-R - B, R + B, 0)),
    (Verdict.NEITHER, JobState.PAID, (-R, R, 0)),
    (Verdict.CREATOR, JobState.REFUNDED, (0, -B, B)),
]


@pytest.mark.parametrize(("verdict", "state", "money"), VERDICTS)
async def test_an_arbiter_decides(
    world: World, verdict: Verdict, state: JobState, money: tuple[int, int, int]
) -> None:
    """Each verdict has its outcome; the loser's bond goes to the worker or is burned."""
    job_id = await world.disputed()
    assert await rule(world.creator.resolve_dispute(job_id, verdict, CID)) == "NOT_ARBITER"
    await world.arbiter.resolve_dispute(job_id, verdict, CID)
    assert (await world.state(job_id), await world.credits()) == (state, money)
    assert await rule(world.arbiter.resolve_dispute(job_id, verdict, CID)) == "NOT_DISPUTED"


async def test_a_silent_arbiter_costs_the_creator(world: World) -> None:
    """After the arbitration period anyone may finalize: the worker is paid, the dispute bond is burned."""
    job_id = await world.disputed()
    job, now = await read_job(world.other, job_id), (await world.other.snapshot(1, 0)).head.time
    assert job.arbitration_end == now + ARBITRATION
    assert job.submitted_block < job.disputed_block <= (await world.other.snapshot(1, 0)).head.number
    world.wait(ARBITRATION - 1)
    assert await rule(world.other.finalize(job_id)) == "NOT_DUE"
    world.wait(1)
    assert await rule(world.arbiter.resolve_dispute(job_id, Verdict.CREATOR, CID)) == "ARBITRATION_OVER"
    await world.other.finalize(job_id)
    assert (await world.state(job_id), await world.credits()) == (JobState.PAID, (-R - B, R, B))


async def test_a_dispute_needs_time_arbiter_and_bond(world: World) -> None:
    """Before the end of the review, with a named arbiter; the wallet pays what the credit lacks."""
    job_id = await world.submitted()
    assert await rule(world.worker.dispute_result(job_id, CID)) == "NOT_CREATOR"
    assert await rule(world.creator.dispute_result(job_id, "x" * 129)) == "BAD_CID"
    disputed, credit = await world.submitted(), (await world.creator.funds(world.creator.account)).credit_fri
    await world.creator.withdraw(credit, world.creator.account)
    await world.creator.dispute_result(disputed, CID)
    assert (await world.creator.funds(world.creator.account)).credit_fri == 0
    await world.creator.deposit(R)
    world.wait(REVIEW)
    assert await rule(world.creator.dispute_result(job_id, CID)) == "REVIEW_OVER"
    job_id = await world.post(arbiter=NOBODY)
    await world.worker.claim(job_id)
    await world.worker.submit_result(job_id, CID)
    assert await rule(world.creator.dispute_result(job_id, CID)) == "NO_ARBITER"


async def test_bad_orders_are_refused_and_cost_nothing(world: World) -> None:
    """fault_8: terms, counts, CIDs and credit are checked before anything is stored."""
    now = (await world.creator.snapshot(1, 0)).head.time
    terms = world.terms(now)
    desk = world.creator
    assert await rule(desk.create_order(CID, replace(terms, reward_fri=0), 1)) == "BAD_REWARD"
    assert await rule(desk.create_order(CID, replace(terms, bond_fri=0), 1)) == "BAD_BOND"
    assert await rule(desk.create_order(CID, replace(terms, deadline=now), 1)) == "BAD_DEADLINE"
    assert await rule(desk.create_order(CID, replace(terms, lease_seconds=59), 1)) == "BAD_LEASE"
    assert await rule(desk.create_order(CID, replace(terms, review_seconds=-1), 1)) == "BAD_REVIEW"
    assert await rule(desk.create_order(CID, replace(terms, arbitration_seconds=0), 1)) == "BAD_ARBITRATION"
    assert await rule(desk.create_order(CID, replace(terms, arbiter=desk.account), 1)) == "BAD_ARBITER"
    assert await rule(desk.create_order(CID, replace(terms, worker=desk.account), 1)) == "BAD_WORKER"
    assert await rule(desk.create_order(CID, replace(terms, reward_fri=2**104), 1)) == "OVERFLOW"
    assert await rule(desk.create_order(CID, terms, 0)) == "BAD_COUNT"
    assert await rule(desk.create_order(CID, terms, 1001)) == "BAD_COUNT"
    assert await rule(desk.create_order("", terms, 1)) == "BAD_CID"
    many = replace(terms, reward_fri=WALLET // 10)
    assert await rule(desk.create_order(CID, many, 11)) == "INSUFFICIENT_CREDIT"
    assert ((await desk.snapshot(1, 0)).job_counter, await world.credits()) == (0, (0, 0, 0))


async def test_rewards_come_out_of_credit_and_then_out_of_the_wallet(world: World) -> None:
    """The same move deposits exactly what the credit lacks."""
    desk = world.creator
    before = await world.held(desk)
    await world.post(jobs=12)
    after = await world.held(desk)
    assert (after[1], before[0] - after[0]) == (0, 12 * R - CREDIT)
    assert (await desk.totals()).escrow_fri == 12 * R


async def test_money_goes_in_and_out(world: World) -> None:
    """From the own wallet into credit, and from credit to any wallet, known or not."""
    worker, cold = world.worker, Address(0xC01D)
    assert await world.held(worker) == (WALLET - CREDIT, CREDIT)
    assert await worker.funds(cold) == Funds(wallet_fri=0, credit_fri=0)
    await worker.withdraw(CREDIT - 1, cold)
    assert await worker.funds(cold) == Funds(wallet_fri=CREDIT - 1, credit_fri=0)
    assert await world.held(worker) == (WALLET - CREDIT, 1)
    assert await rule(worker.withdraw(2, cold)) == "INSUFFICIENT_CREDIT"
    assert await rule(worker.withdraw(0, cold)) == "BAD_AMOUNT"
    assert await rule(worker.withdraw(1, NOBODY)) == "BAD_RECIPIENT"
    assert await rule(worker.deposit(-1)) == "BAD_AMOUNT"
    assert await rule(worker.deposit(WALLET)) == "INSUFFICIENT_FUNDS"
    assert await rule(worker.deposit(2**104)) == "OVERFLOW"
    rest = WALLET - CREDIT - world.fee_room_fri
    await worker.deposit(rest)
    assert await world.held(worker) == (world.fee_room_fri, rest + 1)


async def test_totals_add_up(world: World) -> None:
    """I1: escrow, credits and burned money add up to what the registry holds."""
    await world.claimed()
    job_id = await world.claimed()
    await world.worker.release(job_id, Code.CRASH)
    expected = Totals(
        token_fri=3 * CREDIT,
        escrow_fri=2 * R + B,
        credit_fri=3 * CREDIT - 2 * R - B - 10,
        burned_fri=10,
    )
    assert await world.other.totals() == expected
