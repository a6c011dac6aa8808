"""Attacks by public moves on a real worker with our contract, on a development chain with real fees."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from structlog.testing import capture_logs
from tests.fakes.renderer import Script
from tests.integration.chain_workers import REWARD, Client, connected_clients, post, until
from tests.nodes import Devnet
from tests.scenes.blend_bytes import blend, block

from veriframe.errors import Code, RenderFailed
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.quantities import FRI_PER_STRK
from veriframe.worker.intake.exposure import Exposure

pytestmark = pytest.mark.slow

HUGE = 2**104 - 1
HOSTILE = blend(block(b"HOST"))


@pytest_asyncio.fixture
async def clients(devnet_node: Devnet, tmp_path: Path) -> AsyncIterator[tuple[Client, Client]]:
    """A creator and a worker at a new registry."""
    async with connected_clients(devnet_node, tmp_path) as (creator, worker, _):
        yield creator, worker


def attempt(worker: Client, job_id: int) -> Attempt:
    """The attempt on a job that was started."""
    return worker.journal.by_job[job_id]


def is_over(worker: Client, job_id: int) -> bool:
    """Whether a job's result was submitted, or the attempt ended."""
    found = worker.journal.by_job.get(job_id)
    return found is not None and (found.stage.is_end or found.stage is Stage.SUBMITTED)


async def holds_fri(client: Client) -> int:
    """An account's money without what is bound."""
    funds = await client.registry.funds(client.registry.account)
    return funds.wallet_fri + funds.credit_fri


async def test_all_means_as_bond_for_one_fri(clients: tuple[Client, Client]) -> None:
    """fault_81, fault_89: neither a bond of all the worker's money, nor a reward below the fees."""
    creator, worker = clients
    before_fri = await holds_fri(worker)
    await post(creator, HOSTILE, reward_fri=1, bond_fri=before_fri)
    await post(creator, HOSTILE, reward_fri=1, bond_fri=1)
    honest = await post(creator)
    with capture_logs() as lines:
        async with worker.working():
            await until(lambda: is_over(worker, honest))
    assert list(worker.journal.by_job) == [honest]
    left = [line["reason"] for line in lines if line["event"] == "job_left"]
    assert all("the fees of its moves come to about" in reason for reason in left)
    assert len(left) == 2


async def test_a_failed_render_costs_what_is_recorded_and_within_the_budget(
    clients: tuple[Client, Client],
) -> None:
    """fault_81, fault_89: the bond's burned part and all fees, exactly; an honest job continues."""
    creator, worker = clients
    worker.renderer.scripts[HOSTILE] = Script(
        render_failures=[RenderFailed(Code.TIMEOUT, "Blender took too long.")] * 3
    )
    before_fri = await holds_fri(worker)
    hostile = await post(creator, HOSTILE, reward_fri=7 * FRI_PER_STRK, bond_fri=7 * FRI_PER_STRK)
    async with worker.working():
        await until(lambda: is_over(worker, hostile))
        ended = attempt(worker, hostile)
        lost_fri = before_fri - await holds_fri(worker)
    assert (ended.stage, ended.code) == (Stage.RELEASED, Code.TIMEOUT)
    assert lost_fri == ended.lost_fri + ended.fees_fri
    exposure = Exposure(worker.context.policy.stakes, worker.context.clock)
    exposure.read(await worker.journal.history(), {})
    stakes = exposure.stakes(await worker.registry.funds(worker.registry.account))
    assert ended.lost_fri >= 7 * FRI_PER_STRK // 10
    assert stakes.charged_fri == lost_fri <= stakes.loss_budget_fri


async def test_thousands_of_jobs_that_nobody_can_take(clients: tuple[Client, Client]) -> None:
    """fault_82: two orders of a thousand; the honest job after them is found and its result submitted."""
    creator, worker = clients
    for _ in range(2):
        await post(creator, HOSTILE, jobs=1000, reward_fri=1, bond_fri=HUGE)
    honest = await post(creator)
    async with worker.working():
        await until(lambda: is_over(worker, honest))
    assert attempt(worker, honest).stage is Stage.SUBMITTED
    assert list(worker.journal.by_job) == [honest]


async def test_a_public_scene_under_impossible_terms(clients: tuple[Client, Client]) -> None:
    """fault_85: the failure does not count against the scene; its next job is served."""
    creator, worker = clients
    async with worker.working():
        for _ in range(2):
            await post(creator, deadline=15)
            await post(creator, lease_seconds=60)
        honest = await post(creator)
        await until(lambda: is_over(worker, honest))
    assert attempt(worker, honest).stage is Stage.SUBMITTED
    assert worker.journal.failed == []


async def test_the_reported_earnings_match_the_balance(clients: tuple[Client, Client]) -> None:
    """fault_89: the reward minus all fees, exactly."""
    creator, worker = clients
    before_fri = await holds_fri(worker)
    honest = await post(creator)
    async with worker.working():
        await until(lambda: is_over(worker, honest))
        await creator.registry.accept_result(honest)
        await until(lambda: attempt(worker, honest).stage is Stage.PAID)
    paid = attempt(worker, honest)
    assert paid.earned_fri == REWARD - paid.fees_fri
    assert await holds_fri(worker) - before_fri == paid.earned_fri
    assert 0 < paid.fees_fri < REWARD // 10
