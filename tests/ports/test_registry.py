"""Tests of every registry's moves for workers: jobs are read, claimed, released, submitted and paid."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.ports.registry_world import (
    CID,
    DEADLINE,
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
from veriframe.model.registry.job import NOBODY, JobState
from veriframe.ports.registry import read_job, read_jobs


@pytest.fixture(params=KINDS)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """Each registry."""
    async with open_world(request, tmp_path) as opened:
        yield opened


async def test_an_order_is_kept_as_it_was_posted(world: World) -> None:
    """Ids start at 1; terms, creator and time are those of the order; the rewards are in escrow."""
    assert (await world.creator.snapshot(1, 0)).job_counter == 0
    head = (await world.creator.snapshot(1, 0)).head
    terms = replace(world.terms(head.time), reward_fri=7)
    assert list(await world.creator.create_order(CID, terms, 3)) == [1, 2, 3]
    job = await read_job(world.worker, 3)
    order = job.order
    assert (order.id, order.creator, order.asset_cid, order.terms) == (1, world.creator.account, CID, terms)
    assert (order.first_job, order.jobs, order.created_at) == (1, 3, head.time)
    assert (job.id, job.part, job.state, job.worker) == (3, 2, JobState.OPEN, NOBODY)
    assert (await world.worker.snapshot(1, 0)).job_counter == 3
    assert list(await world.creator.create_order(CID, terms, 1)) == [4]
    assert (await world.creator.totals()).escrow_fri == 28


async def test_a_registry_has_an_identity(world: World) -> None:
    """fault_91: short, usable in file names, the same for all accounts."""
    name = await world.worker.identity()
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,80}", name)
    assert {await client.identity() for client in (world.creator, world.other, world.worker)} == {name}


async def test_several_jobs_are_read_at_once(world: World) -> None:
    """The existing ones, by id."""
    await world.post(jobs=5)
    assert [job.id for job in await read_jobs(world.worker, 2, 3)] == [2, 3, 4]
    assert [job.id for job in await read_jobs(world.worker, 4, 200)] == [4, 5]
    assert list(await read_jobs(world.worker, 6, 200)) == []
    assert list(await read_jobs(world.worker, 1, 0)) == []


@pytest.mark.parametrize("job_id", [0, -1, 2, 2**64, 2**300])
async def test_ids_that_were_never_given_are_refused(world: World, job_id: int) -> None:
    """For reads and moves, whatever the number."""
    await world.post()
    assert await rule(read_job(world.worker, job_id)) == "UNKNOWN_JOB"
    assert await rule(world.worker.claim(job_id)) == "UNKNOWN_JOB"
    assert await rule(world.creator.cancel_job(job_id)) == "UNKNOWN_JOB"


async def test_time_advances(world: World) -> None:
    """The head shows the registry's time, and its number grows with the moves."""
    before = (await world.worker.snapshot(1, 0)).head
    world.wait(5)
    await world.post()
    after = (await world.worker.snapshot(1, 0)).head
    assert after.time == before.time + 5
    assert after.number > before.number


async def test_a_job_is_claimed_submitted_and_paid(world: World) -> None:
    """The normal case: the bond is returned with the reward, and anyone may finalize after the review."""
    job_id = await world.claimed()
    now = (await world.worker.snapshot(1, 0)).head.time
    job = await read_job(world.other, job_id)
    assert (job.state, job.worker) == (JobState.CLAIMED, world.worker.account)
    assert (job.claimed_at, job.lease_end) == (now, now + LEASE)
    assert await world.credits() == (-R, -B, 0)
    await world.worker.submit_result(job_id, CID)
    job = await read_job(world.other, job_id)
    assert (job.state, job.result_cid, job.review_end) == (JobState.SUBMITTED, CID, now + REVIEW)
    assert 0 < job.submitted_block <= (await world.worker.snapshot(1, 0)).head.number
    world.wait(REVIEW - 1)
    assert await rule(world.other.finalize(job_id)) == "NOT_DUE"
    world.wait(1)
    await world.other.finalize(job_id)
    assert await world.state(job_id) is JobState.PAID
    assert await world.credits() == (-R, R, 0)
    assert await rule(world.other.finalize(job_id)) == "ALREADY_FINAL"


async def test_a_bond_comes_out_of_credit_and_then_out_of_the_wallet(world: World) -> None:
    """The same move deposits exactly what the credit lacks."""
    job_id, second = await world.post(arbiter=NOBODY), await world.post(arbiter=NOBODY)
    await world.arbiter.deposit(B - 1)
    before = await world.held(world.arbiter)
    await world.arbiter.claim(job_id)
    await world.arbiter.claim(second)
    after = await world.held(world.arbiter)
    assert (await world.state(job_id), await world.state(second)) == (JobState.CLAIMED, JobState.CLAIMED)
    assert (before[0] - after[0], after[1]) == (1 + B, 0)


async def test_a_bond_beyond_all_means_is_refused_and_moves_nothing(world: World) -> None:
    """Neither credit nor wallet changes."""
    job_id = await world.post(bond_fri=WALLET + 1)
    before = await world.held(world.worker)
    assert await rule(world.worker.claim(job_id)) == "INSUFFICIENT_CREDIT"
    assert await world.held(world.worker) == before
    assert await world.state(job_id) is JobState.OPEN


async def test_a_refused_claim_deposits_nothing(world: World) -> None:
    """The job is not available: the money for the bond stays in the wallet."""
    job_id = await world.claimed()
    before = await world.held(world.arbiter)
    assert await rule(world.arbiter.claim(job_id)) == "OWN_JOB"
    assert await world.held(world.arbiter) == before


async def test_a_snapshot_has_block_counter_and_jobs(world: World) -> None:
    """All from one moment; the range may be larger than the registry, or empty."""
    await world.post(jobs=3)
    snapshot = await world.worker.snapshot(2, world.worker.jobs_at_once)
    assert [job.id for job in snapshot.jobs] == [2, 3]
    assert snapshot.jobs[0] == await read_job(world.worker, 2)
    assert (snapshot.job_counter, snapshot.head) == (3, (await world.worker.snapshot(1, 0)).head)
    assert (await world.worker.snapshot(4, 5)).jobs == []
    assert (await world.worker.snapshot(0, 0)).jobs == []
    assert world.worker.jobs_at_once == 200


async def test_many_jobs_are_read_whatever_their_number(world: World) -> None:
    """More than one snapshot allows, from several orders."""
    for jobs in (150, 1, 300):
        await world.post(jobs=jobs)
    assert [job.id for job in await read_jobs(world.worker, 1, 1000)] == list(range(1, 452))
    assert [job.id for job in await read_jobs(world.worker, 3, 447)] == list(range(3, 450))
    assert [job.order.id for job in await read_jobs(world.worker, 150, 3)] == [1, 2, 3]


async def test_changes_are_reported_once(world: World) -> None:
    """New jobs, released jobs, and own jobs that others moved; not moves among other accounts."""
    await world.worker.changed()
    await world.worker.snapshot(0, 0)  # a snapshot gives the reader its position
    first = await world.post(jobs=2)
    assert set(await world.worker.changed()) >= {first, first + 1}
    assert list(await world.worker.changed()) == []
    await world.other.claim(first)
    await world.worker.changed()
    await world.other.release(first, Code.CRASH)
    assert first in await world.worker.changed()
    await world.worker.claim(first)
    await world.worker.submit_result(first, CID)
    await world.worker.changed()
    await world.creator.accept_result(first)
    assert first in await world.worker.changed()


def summarise(outcomes: Sequence[int | BaseException]) -> list[str]:
    """The outcomes of moves: done, or the rule that refused them."""
    return ["done" if isinstance(outcome, int) else getattr(outcome, "rule", "") for outcome in outcomes]


async def test_a_move_returns_its_fee(world: World) -> None:
    """fault_89: its own fee, or its share of a transaction for several; 0 if the registry has no fees."""
    first = await world.post(jobs=3, arbiter=NOBODY)
    account = world.worker.account
    steps: list[list[Callable[[], Awaitable[int]]]] = [
        [lambda: world.worker.claim(first)],
        [lambda: world.worker.release(first, Code.CRASH)],
        [lambda: world.worker.claim(first + 1), lambda: world.worker.claim(first + 2)],
        [lambda: world.worker.submit_result(first + 1, CID)],
    ]
    for moves in steps:
        before = world.fees_fri[account]
        fees_fri = await asyncio.gather(*(move() for move in moves))
        if world.fee_room_fri:
            paid_fri = world.fees_fri[account] - before
            assert paid_fri <= sum(fees_fri) < paid_fri + len(moves)
            assert min(fees_fri) > 0
        else:
            share = -(-5 // len(moves))
            assert set(fees_fri) <= {0, 5, share}, "the embedded registry has no fees, the fake chain's is 5"
    world.wait(REVIEW)
    assert (await world.worker.finalize(first + 1) > 0) is (world.fee_room_fri > 0 or set(fees_fri) == {5})


async def test_the_cost_of_a_job_is_estimated(world: World) -> None:
    """fault_89: at the current gas price, close to the actual cost; only for one's own account."""
    funds = await world.worker.funds(world.worker.account)
    assert (await world.other.funds(world.worker.account)).job_fees_fri == 0
    job_id = await world.post(arbiter=NOBODY)
    cost_fri = await world.worker.claim(job_id) + await world.worker.submit_result(job_id, CID)
    if world.fee_room_fri:
        assert cost_fri < funds.job_fees_fri < 4 * cost_fri


async def test_simultaneous_claims_are_independent(world: World) -> None:
    """A refused claim does not affect the others, even in the same transaction."""
    first = await world.post(jobs=4, arbiter=NOBODY)
    await world.other.claim(first + 1)
    claims = [world.worker.claim(job_id) for job_id in (*range(first, first + 4), 10**6)]
    outcomes = await asyncio.gather(*claims, return_exceptions=True)
    assert summarise(outcomes) == ["done", "NOT_OPEN", "done", "done", "UNKNOWN_JOB"]
    results = [world.worker.submit_result(job_id, CID) for job_id in (first, first + 1, first + 3)]
    outcomes = await asyncio.gather(*results, return_exceptions=True)
    assert summarise(outcomes) == ["done", "NOT_CLAIMANT", "done"]
    world.wait(REVIEW)
    ends = [world.other.finalize(job_id) for job_id in (first, first + 2, first + 3)]
    outcomes = await asyncio.gather(*ends, return_exceptions=True)
    assert summarise(outcomes) == ["done", "NOT_DUE", "done"]
    assert await world.credits() == (-4 * R, 2 * R - B, 0)


async def test_one_claims_and_nobody_else(world: World) -> None:
    """Not a second time, not the creator, not the arbiter, and not a worker whom the order excludes."""
    job_id = await world.claimed()
    assert await rule(world.other.claim(job_id)) == "NOT_OPEN"
    assert await rule(world.worker.claim(job_id)) == "NOT_OPEN"
    job_id = await world.post(worker=world.other.account)
    assert await rule(world.worker.claim(job_id)) == "OTHER_WORKER"
    assert await rule(world.creator.claim(job_id)) == "OWN_JOB"
    assert await rule(world.arbiter.claim(job_id)) == "OWN_JOB"
    await world.other.claim(job_id)


async def test_nothing_is_claimed_at_its_deadline(world: World) -> None:
    """It is legal until the last second before; from then on anyone may refund the creator."""
    late, early = await world.post(), await world.post()
    world.wait(DEADLINE - 1)
    assert await rule(world.worker.finalize(late)) == "NOT_DUE"
    await world.worker.claim(early)
    world.wait(1)
    assert await rule(world.worker.claim(late)) == "DEADLINE_OVER"
    await world.worker.finalize(late)
    assert await world.state(late) is JobState.REFUNDED
    assert await world.credits() == (-R, -B, 0)


async def test_a_release_costs_a_fee_and_bars(world: World) -> None:
    """The job is open again, but only for others."""
    job_id = await world.claimed()
    await world.worker.release(job_id, Code.CRASH)
    assert await world.credits() == (-R, -10, 10)
    job = await read_job(world.other, job_id)
    assert (job.state, job.worker, job.lease_end) == (JobState.OPEN, NOBODY, 0)
    assert await rule(world.worker.claim(job_id)) == "BARRED"
    assert await rule(world.worker.release(job_id, Code.CRASH)) == "NOT_CLAIMANT"
    await world.other.claim(job_id)
    await world.other.release(job_id, Code.CRASH)
    assert await rule(world.worker.claim(job_id)) == "BARRED"


async def test_a_lapsed_claim_is_lost(world: World) -> None:
    """At the end of the lease another worker claims, the bond is burned, and the first worker is barred."""
    job_id = await world.claimed()
    world.wait(LEASE - 1)
    assert await rule(world.other.claim(job_id)) == "NOT_OPEN"
    world.wait(1)
    assert await rule(world.worker.submit_result(job_id, CID)) == "LEASE_OVER"
    assert await rule(world.worker.release(job_id, Code.LEASE)) == "LEASE_OVER"
    assert await rule(world.worker.claim(job_id)) == "BARRED"
    await world.other.claim(job_id)
    assert (await read_job(world.creator, job_id)).worker == world.other.account
    assert await world.credits() == (-R, -B, B)
    assert await rule(world.worker.submit_result(job_id, CID)) == "NOT_CLAIMANT"


async def test_only_the_claimant_submits_and_once(world: World) -> None:
    """Other accounts are refused, and so is a second result."""
    job_id = await world.claimed()
    assert await rule(world.other.submit_result(job_id, CID)) == "NOT_CLAIMANT"
    assert await rule(world.worker.submit_result(job_id, "")) == "BAD_CID"
    await world.worker.submit_result(job_id, CID)
    assert await rule(world.worker.submit_result(job_id, "another")) == "NOT_CLAIMED"
    assert (await read_job(world.worker, job_id)).result_cid == CID
