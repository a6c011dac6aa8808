"""The whole worker on a chain with reorganisations, and in the same block as another worker.

Chain, contract, registry and sender are real; rendering and storage are fakes.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.integration.chain_workers import (
    BOND,
    MONEY,
    REWARD,
    WAIT_SECONDS,
    Client,
    connected_clients,
    post,
    until,
)
from tests.nodes import Devnet, devnet

from veriframe.model.attempt.attempt import Stage
from veriframe.model.registry.job import Job, JobState
from veriframe.ports.registry import read_job

pytestmark = pytest.mark.slow


def newest_block(node: Devnet) -> str:
    """The newest block's hash."""
    return str(node.ask("starknet_getBlockWithTxHashes", block_id="latest")["block_hash"])


async def facts(client: Client) -> tuple[JobState, int, int, int]:
    """Job 1's state and worker, all workers' credit, and the burned money."""
    job: Job = await read_job(client.registry, 1)
    totals = await client.registry.totals()
    return job.state, job.worker, totals.escrow_fri, totals.burned_fri


async def test_a_reverted_claim_is_made_again_before_the_result_is_submitted(tmp_path: Path) -> None:
    """fault_66: a reorganisation reverts the claim during the render; one render, one bond, one result."""
    with devnet(full_archive=True) as node:
        async with connected_clients(node, tmp_path) as (creator, worker, _):
            await post(creator)
            worker.renderer.gate.clear()
            async with worker.working():
                await until(lambda: worker.renderer.started == 1)
                node.abort_blocks(newest_block(node))
                assert (await facts(creator))[0] is JobState.OPEN
                worker.renderer.gate.set()
                await until(lambda: worker.stage() in (Stage.SUBMITTED, Stage.LOST))
            expected = (JobState.SUBMITTED, worker.registry.account, REWARD + BOND, 0)
            assert expected == await facts(creator)
            assert worker.renderer.started == 1


async def test_a_claim_that_another_worker_has_is_not_served(tmp_path: Path) -> None:
    """fault_66: after the reorganisation another worker claims first: this one stops and submits nothing."""
    with devnet(full_archive=True) as node:
        async with connected_clients(node, tmp_path) as (creator, worker, other):
            await post(creator)
            worker.renderer.gate.clear()
            async with worker.working():
                await until(lambda: worker.renderer.started == 1)
                node.abort_blocks(newest_block(node))
                await other.registry.claim(1)
                worker.renderer.gate.set()
                await until(lambda: worker.stage() in (Stage.SUBMITTED, Stage.LOST))
                # A result that was stored just before is released a moment after.
                async with asyncio.timeout(WAIT_SECONDS):
                    while [pin for pin in await worker.store.pins() if "result" in pin.name]:  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
            assert worker.stage() is Stage.LOST
            expected = (JobState.CLAIMED, other.registry.account, REWARD + BOND, 0)
            assert expected == await facts(creator)


@pytest.mark.parametrize("blocks", [1, 2], ids=["the submission", "the claim, too"])
async def test_a_reverted_submission_is_made_again(tmp_path: Path, blocks: int) -> None:
    """fault_67: the same result is submitted again, without another render."""
    with devnet(full_archive=True) as node:
        async with connected_clients(node, tmp_path) as (creator, worker, _):
            await post(creator)
            async with worker.working():
                worker.renderer.gate.clear()
                await until(lambda: worker.renderer.started == 1)
                claimed = newest_block(node)
                worker.renderer.gate.set()
                await until(lambda: worker.stage() is Stage.SUBMITTED)
                result_cid = (await read_job(creator.registry, 1)).result_cid
                node.abort_blocks(newest_block(node) if blocks == 1 else claimed)
                undone = JobState.CLAIMED if blocks == 1 else JobState.OPEN
                assert (await facts(creator))[0] is undone
                # The chain advances: its blocks rule out that a node only lags.
                await until(lambda: bool(node.create_block()) and worker.stage() is Stage.STORED)
                await until(lambda: worker.stage() is Stage.SUBMITTED)
            expected = (JobState.SUBMITTED, worker.registry.account, REWARD + BOND, 0)
            assert expected == await facts(creator)
            assert (await read_job(creator.registry, 1)).result_cid == result_cid
            assert worker.renderer.started == 1


async def test_of_two_claims_in_one_block_one_is_rendered(tmp_path: Path) -> None:
    """fault_65: blocks are made on demand; both claims are in the same one, and only the winner renders."""
    with devnet(on_demand=True) as node:
        is_held = False

        async def make_blocks() -> None:
            while True:
                if not is_held:
                    node.create_block()
                await asyncio.sleep(0.1)

        blocks = asyncio.create_task(make_blocks())
        try:
            async with connected_clients(node, tmp_path) as (creator, one, two):
                await post(creator)
                is_held = True
                barrier = asyncio.Barrier(2)
                one.endpoints.barrier = two.endpoints.barrier = barrier
                async with one.working(), two.working():
                    await until(lambda: _pending(node) == 2)
                    assert (one.renderer.started, two.renderer.started) == (0, 0)
                    one.endpoints.barrier = two.endpoints.barrier = None
                    is_held = False
                    await until(lambda: {one.stage(), two.stage()} == {Stage.SUBMITTED, Stage.LOST})
                winner, loser = (one, two) if one.stage() is Stage.SUBMITTED else (two, one)
                assert (winner.renderer.started, loser.renderer.started) == (1, 0)
                expected = (JobState.SUBMITTED, winner.registry.account, REWARD + BOND, 0)
                assert expected == await facts(creator)
                assert (await loser.registry.funds(loser.registry.account)).credit_fri == MONEY
        finally:
            blocks.cancel()


def _pending(node: Devnet) -> int:
    """How many transactions are pending."""
    return len(node.ask("starknet_getBlockWithTxHashes", block_id="pre_confirmed")["transactions"])
