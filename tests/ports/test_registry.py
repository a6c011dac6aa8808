"""What every registry does for a worker: jobs are looked at, claimed, released, handed in and paid."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.ports.registry_world import CID, DEADLINE, LEASE, REVIEW, B, R, World, open_world, rule

from veriframe.errors import Code
from veriframe.model.job import NOBODY, JobState


@pytest.fixture(params=["fake", "local", "starknet"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """Each registry."""
    async with open_world(request.param, tmp_path) as opened:
        yield opened


async def test_an_order_is_kept_as_it_was_posted(world: World) -> None:
    """Ids count from 1; terms, creator and time are those of the post; the rewards are in escrow."""
    assert await world.creator.job_counter() == 0
    head = await world.creator.head()
    terms = replace(world.terms(head.time), reward_fri=7)
    assert list(await world.creator.create_order(CID, terms, 3)) == [1, 2, 3]
    job = await world.worker.get_job(3)
    order = job.order
    assert (order.id, order.creator, order.asset_cid, order.terms) == (1, world.creator.account, CID, terms)
    assert (order.first_job, order.jobs, order.created_at) == (1, 3, head.time)
    assert (job.id, job.part, job.state, job.worker) == (3, 2, JobState.OPEN, NOBODY)
    assert await world.worker.job_counter() == 3
    assert list(await world.creator.create_order(CID, terms, 1)) == [4]
    assert (await world.creator.totals()).escrow_fri == 28


async def test_several_jobs_are_read_at_once(world: World) -> None:
    """By id, those that exist."""
    await world.post(jobs=5)
    assert [job.id for job in await world.worker.get_jobs(2, 3)] == [2, 3, 4]
    assert [job.id for job in await world.worker.get_jobs(4, 200)] == [4, 5]
    assert list(await world.worker.get_jobs(6, 200)) == []
    assert list(await world.worker.get_jobs(1, 0)) == []


@pytest.mark.parametrize("job_id", [0, -1, 2, 2**64, 2**300])
async def test_ids_that_were_never_given_are_refused(world: World, job_id: int) -> None:
    """To look and to move alike, whatever the number."""
    await world.post()
    assert await rule(world.worker.get_job(job_id)) == "UNKNOWN_JOB"
    assert await rule(world.worker.claim(job_id)) == "UNKNOWN_JOB"
    assert await rule(world.creator.cancel_job(job_id)) == "UNKNOWN_JOB"


async def test_time_goes_on(world: World) -> None:
    """The head shows the registry's time, and its number grows with the moves."""
    before = await world.worker.head()
    world.wait(5)
    await world.post()
    after = await world.worker.head()
    assert after.time == before.time + 5
    assert after.number > before.number


async def test_a_job_is_claimed_submitted_and_paid(world: World) -> None:
    """The good way: the bond comes back with the reward, and anyone may finalize when the review is over."""
    job_id = await world.claimed()
    now = (await world.worker.head()).time
    job = await world.other.get_job(job_id)
    assert (job.state, job.worker) == (JobState.CLAIMED, world.worker.account)
    assert (job.claimed_at, job.lease_end) == (now, now + LEASE)
    assert await world.credits() == (-R, -B, 0)
    await world.worker.submit_result(job_id, CID)
    job = await world.other.get_job(job_id)
    assert (job.state, job.result_cid, job.review_end) == (JobState.SUBMITTED, CID, now + REVIEW)
    assert 0 < job.submitted_block <= (await world.worker.head()).number
    world.wait(REVIEW - 1)
    assert await rule(world.other.finalize(job_id)) == "NOT_DUE"
    world.wait(1)
    await world.other.finalize(job_id)
    assert await world.state(job_id) is JobState.PAID
    assert await world.credits() == (-R, R, 0)
    assert await rule(world.other.finalize(job_id)) == "ALREADY_FINAL"


async def test_a_claim_needs_credit(world: World) -> None:
    """Money in the wallet is no credit."""
    job_id = await world.post(arbiter=NOBODY)
    assert await rule(world.arbiter.claim(job_id)) == "INSUFFICIENT_CREDIT"
    await world.arbiter.deposit(B)
    await world.arbiter.claim(job_id)
    assert await world.state(job_id) is JobState.CLAIMED


async def test_one_claims_and_nobody_else(world: World) -> None:
    """Not a second time, not the creator, not the arbiter, and not whom the order does not name."""
    job_id = await world.claimed()
    assert await rule(world.other.claim(job_id)) == "NOT_OPEN"
    assert await rule(world.worker.claim(job_id)) == "NOT_OPEN"
    job_id = await world.post(worker=world.other.account)
    assert await rule(world.worker.claim(job_id)) == "OTHER_WORKER"
    assert await rule(world.creator.claim(job_id)) == "OWN_JOB"
    assert await rule(world.arbiter.claim(job_id)) == "OWN_JOB"
    await world.other.claim(job_id)


async def test_nothing_is_claimed_at_its_deadline(world: World) -> None:
    """The last second before it is legal; from it on anyone refunds the creator."""
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
    """The job is open again, for others."""
    job_id = await world.claimed()
    await world.worker.release(job_id, Code.CRASH)
    assert await world.credits() == (-R, -10, 10)
    job = await world.other.get_job(job_id)
    assert (job.state, job.worker, job.lease_end) == (JobState.OPEN, NOBODY, 0)
    assert await rule(world.worker.claim(job_id)) == "BARRED"
    assert await rule(world.worker.release(job_id, Code.CRASH)) == "NOT_CLAIMANT"
    await world.other.claim(job_id)
    await world.other.release(job_id, Code.CRASH)
    assert await rule(world.worker.claim(job_id)) == "BARRED"


async def test_a_lapsed_claim_is_lost(world: World) -> None:
    """At the end of the lease another claims, and the bond is burned; who let it lapse is barred."""
    job_id = await world.claimed()
    world.wait(LEASE - 1)
    assert await rule(world.other.claim(job_id)) == "NOT_OPEN"
    world.wait(1)
    assert await rule(world.worker.submit_result(job_id, CID)) == "LEASE_OVER"
    assert await rule(world.worker.release(job_id, Code.LEASE)) == "LEASE_OVER"
    assert await rule(world.worker.claim(job_id)) == "BARRED"
    await world.other.claim(job_id)
    assert (await world.creator.get_job(job_id)).worker == world.other.account
    assert await world.credits() == (-R, -B, B)
    assert await rule(world.worker.submit_result(job_id, CID)) == "NOT_CLAIMANT"


async def test_only_the_claimant_submits_and_once(world: World) -> None:
    """Others are refused, and so is another result."""
    job_id = await world.claimed()
    assert await rule(world.other.submit_result(job_id, CID)) == "NOT_CLAIMANT"
    assert await rule(world.worker.submit_result(job_id, "")) == "BAD_CID"
    await world.worker.submit_result(job_id, CID)
    assert await rule(world.worker.submit_result(job_id, "another")) == "NOT_CLAIMED"
    assert (await world.worker.get_job(job_id)).result_cid == CID
