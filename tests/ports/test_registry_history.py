"""Tests of every registry's history of a job."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.ports.registry_world import CID, DEADLINE, KINDS, LEASE, REVIEW, B, R, World, open_world

from veriframe.errors import Code
from veriframe.model.registry.history import JobEvent, told_from_start
from veriframe.model.registry.job import Verdict
from veriframe.model.registry.ledger import EventKind
from veriframe.ports.registry import read_job

DRIFT = 3
"""Chain seconds by which a real node's clock may go on during a move."""


@pytest.fixture(params=KINDS)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """Each registry."""
    async with open_world(request, tmp_path) as opened:
        yield opened


async def history(world: World, job_id: int) -> tuple[JobEvent, ...]:
    """The events of a job, of which none is missing."""
    found = await world.other.history(await read_job(world.other, job_id))
    assert found.gap == ""
    return found.events


async def now(world: World) -> int:
    """The registry's time."""
    return (await world.other.snapshot(1, 0)).head.time


async def test_a_failed_attempt_is_told(world: World) -> None:
    """fault_135: who claimed a job and gave it back, when, and for what reason. Other jobs are not told."""
    await world.claimed()
    job_id = await world.post()
    assert await history(world, job_id) == ()
    world.wait(5)
    await world.worker.claim(job_id)
    claimed_at = (await read_job(world.other, job_id)).claimed_at
    world.wait(7)
    await world.worker.release(job_id, Code.MISSING_FILES)
    account = world.worker.account
    claim, release = await history(world, job_id)
    assert claim == JobEvent(kind=EventKind.JOB_CLAIMED, at=claimed_at, party=account, amount_fri=B)
    assert replace(release, at=0) == JobEvent(
        kind=EventKind.JOB_RELEASED, at=0, party=account, amount_fri=10, reason="MISSING_FILES"
    )
    assert claimed_at + 7 - DRIFT <= release.at <= claimed_at + 7 + DRIFT


async def test_results_disputes_and_pay_are_told(world: World) -> None:
    """With the CIDs and the verdict, in their order."""
    job_id = await world.disputed()
    await world.arbiter.resolve_dispute(job_id, Verdict.NEITHER, CID)
    worker, creator, arbiter = (one.account for one in (world.worker, world.creator, world.arbiter))
    told = [
        (one.kind, one.party, one.amount_fri, one.reason, one.cid) for one in await history(world, job_id)
    ]
    assert told == [
        (EventKind.JOB_CLAIMED, worker, B, "", ""),
        (EventKind.RESULT_SUBMITTED, worker, 0, "", CID),
        (EventKind.RESULT_DISPUTED, creator, B, "", CID),
        (EventKind.DISPUTE_RESOLVED, arbiter, 0, "NEITHER", CID),
        (EventKind.JOB_PAID, worker, R + B, "", ""),
    ]


async def test_a_lapse_is_told_at_the_end_of_its_lease(world: World) -> None:
    """fault_136: the registry notes it later or never; it happened when the lease ended."""
    job_id = await world.claimed()
    job = await read_job(world.other, job_id)
    world.wait(LEASE - 1)
    before = told_from_start(job, await history(world, job_id), await now(world))
    world.wait(1)
    after = told_from_start(job, await history(world, job_id), await now(world))
    world.wait(REVIEW)
    await world.other.claim(job_id)
    settled = told_from_start(job, await history(world, job_id), await now(world))
    kinds = [EventKind.ORDER_CREATED, EventKind.JOB_CLAIMED, EventKind.CLAIM_LAPSED, EventKind.JOB_CLAIMED]
    assert [one.kind for one in before] == kinds[:2]
    assert [one.kind for one in after] == kinds[:3]
    assert [one.kind for one in settled] == kinds
    assert after[2] == settled[2]
    assert (after[2].at, after[2].party, after[2].amount_fri) == (job.lease_end, world.worker.account, B)


async def test_a_refund_is_told(world: World) -> None:
    """A job that no one claimed in time."""
    job_id = await world.post()
    world.wait(DEADLINE)
    await world.other.finalize(job_id)
    (event,) = await history(world, job_id)
    assert (event.kind, event.party, event.amount_fri) == (
        EventKind.JOB_REFUNDED,
        world.creator.account,
        R,
    )
    assert abs(event.at - await now(world)) <= DRIFT
