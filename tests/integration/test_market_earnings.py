"""What a worker's earnings say, against the ledger of the registry that it worked at."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from tests.market.scenes import Plan
from tests.market.world import Worker, World, until

from veriframe.model.attempt.attempt import Stage
from veriframe.model.attempt.earnings import Earnings, grouped, total
from veriframe.model.quantities import FRI_PER_STRK
from veriframe.model.registry.job import JobState, Verdict
from veriframe.worker.overview.earnings import read_settled

LEASE_SECONDS = 3000
EVIDENCE = "bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4"


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A new market."""
    opened = World(tmp_path)
    yield opened
    await opened.close()


async def served(world: World, worker: Worker, creator: str, plan: Plan, **terms: int) -> int:
    """Posts a job of 5 STRK and waits until the worker has served it. Returns its number."""
    bond_fri = FRI_PER_STRK // 2 + 7
    (job_id,) = await world.post(creator, plan, 5, bond_fri=bond_fri, lease_seconds=LEASE_SECONDS, **terms)
    await world.until_ended(worker, job_id, market_seconds=1500)
    return job_id


async def disputed(world: World, worker: Worker, creator: str, verdict: Verdict) -> None:
    """Has a result disputed, and decided."""
    arbiter = world.account("arbiter")
    terms = {"arbiter": arbiter.account, "arbitration_seconds": 3600}
    job_id = await served(world, worker, creator, Plan(name=creator), **terms)
    await world.account(creator).dispute_result(job_id, EVIDENCE)
    await arbiter.resolve_dispute(job_id, verdict, EVIDENCE)


async def earned(world: World, worker: Worker) -> Earnings:
    """The sum of its earnings."""
    history = await worker.journal.history()
    known = await read_settled(world.account("reader"), worker.registry.account, history)
    return total(list(grouped(history, lambda attempt: str(attempt.job_id), known).values()))


async def test_earnings_agree_with_the_ledger_to_the_last_fri(world: World) -> None:
    """fault_186: pay, a release that took long, a dispute won, one lost, and a lease that ran out."""
    worker = world.worker("worker", arbiters=frozenset({world.account("arbiter").account}))
    before = await worker.registry.funds(worker.registry.account)
    async with worker.working():
        paid = await served(world, worker, "alice", Plan(name="paid"))
        await world.account("alice").accept_result(paid)
        await served(world, worker, "bob", Plan(name="fails", failed="OOM", render_seconds=280))
        await disputed(world, worker, "carol", Verdict.WORKER)
        await disputed(world, worker, "dave", Verdict.CREATOR)
        (lapsing,) = await world.post(
            "erin", Plan(name="lapses", render_seconds=250), 5, bond_fri=FRI_PER_STRK, lease_seconds=1000
        )
        await until(lambda: _stage(worker, lapsing) is Stage.CLAIMED, real_seconds=30)
        await until(lambda: len(worker.ended) == 4, real_seconds=30)
    await world.market_clock.sleep(1000)
    assert (await world.job(lapsing)).state is JobState.CLAIMED
    async with worker.working():
        await until(lambda: _stage(worker, lapsing) is Stage.LOST, real_seconds=30)
    sums = await earned(world, worker)
    assert (sums.jobs, sums.reward_fri, sums.won_fri) == (2, 10 * FRI_PER_STRK, FRI_PER_STRK // 2 + 7)
    assert sums.lost_fri > FRI_PER_STRK + FRI_PER_STRK // 2
    after = await worker.registry.funds(worker.registry.account)
    change_fri = after.wallet_fri + after.credit_fri - before.wallet_fri - before.credit_fri
    assert sums.earned_fri == change_fri
    assert sums.render_seconds > 280


def _stage(worker: Worker, job_id: int) -> Stage | None:
    attempt = worker.context.attempts.of(job_id)
    return None if attempt is None else attempt.stage
