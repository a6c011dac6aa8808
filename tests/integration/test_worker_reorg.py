"""The whole worker on a chain that takes blocks back, and in one block with another worker.

Chain, contract, registry and sender are real; what is rendered and stored is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.deployed import MAX_FEE_FRI, PACE, REGISTRY, class_hash, deploy
from tests.fakes.journal import FakeJournal
from tests.fakes.parts import (
    BOND,
    DEADLINE_SECONDS,
    LEASE_SECONDS,
    REVIEW_SECONDS,
    REWARD,
    SCENE,
    GatedRenderer,
)
from tests.fakes.store import FakeStore
from tests.nodes import STRK_ADDRESS, Devnet, devnet

from veriframe.adapters.starknet.endpoints import Endpoints
from veriframe.adapters.starknet.keystore import Key
from veriframe.adapters.starknet.outbox import Outbox
from veriframe.adapters.starknet.registry import StarknetRegistry
from veriframe.adapters.starknet.sender import Sender
from veriframe.model.attempt import Stage
from veriframe.model.frames import RenderLimits
from veriframe.model.job import Job, JobState, Terms
from veriframe.model.policy import Policy
from veriframe.worker.parts import Parts
from veriframe.worker.service import Service
from veriframe.worker.workspace import Workspace

pytestmark = pytest.mark.slow

CREATOR, WORKER, OTHER = 0, 1, 2
MONEY = 10_000
WAIT_SECONDS = 60.0


class HeldEndpoints(Endpoints):
    """A node to which a transaction is sent only when `barrier`, where there is one, opens."""

    barrier: asyncio.Barrier | None = None

    async def call(self, method: str, params: Any = None) -> Any:
        """As any node answers."""
        if method == "starknet_addInvokeTransaction" and self.barrier is not None:
            await self.barrier.wait()
        return await super().call(method, params)


@dataclass
class Seat:
    """One account: its registry, and what a worker of it would work with."""

    registry: StarknetRegistry
    endpoints: HeldEndpoints
    folder: Path
    store: FakeStore

    def __post_init__(self) -> None:
        self.renderer, self.journal = GatedRenderer(), FakeJournal()
        self.parts = Parts(
            registry=self.registry,
            store=self.store,
            renderer=self.renderer,
            journal=self.journal,
            workspace=Workspace(self.folder / "work", 2**20),
            policy=Policy(
                account=self.registry.account, limits=RenderLimits(frame_seconds=300, loading_seconds=60)
            ),
        )

    def stage(self) -> Stage | None:
        """How far the worker is with job 1."""
        attempt = self.journal.get(1)
        return attempt.stage if attempt else None

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """The worker at work for the block."""
        work = asyncio.create_task(Service(self.parts, slots=1, poll_seconds=0.05).run())
        try:
            yield
        finally:
            work.cancel()
            await asyncio.wait([work])


@asynccontextmanager
async def seated(node: Devnet, folder: Path) -> AsyncIterator[list[Seat]]:
    """Creator and two workers with credit, and a new registry."""
    address = await deploy(node, REGISTRY, STRK_ADDRESS)
    store, seats, outboxes = FakeStore(), [], []
    for number in (CREATOR, WORKER, OTHER):
        own = folder / str(number)
        own.mkdir()
        owner, endpoints, outbox = (
            node.accounts[number],
            HeldEndpoints([node.url]),
            Outbox(own / "outbox.sqlite"),
        )
        key = Key(owner.private_key)
        sender = Sender(endpoints, outbox, owner.address, key, max_fee_fri=MAX_FEE_FRI, pace=PACE)
        hashes = {class_hash(REGISTRY)}
        registry = StarknetRegistry(endpoints, sender, address, token=STRK_ADDRESS, class_hashes=hashes)
        seats.append(Seat(registry, endpoints, own, store))
        outboxes.append(outbox)
    try:
        await asyncio.gather(*(seat.registry.deposit(MONEY) for seat in seats))
        yield seats
    finally:
        for seat, outbox in zip(seats, outboxes, strict=True):
            await seat.endpoints.close()
            outbox.close()


async def post(creator: Seat) -> None:
    """Job 1."""
    now = (await creator.registry.head()).time
    terms = Terms(
        reward_fri=REWARD,
        bond_fri=BOND,
        deadline=now + DEADLINE_SECONDS,
        lease_seconds=LEASE_SECONDS,
        review_seconds=REVIEW_SECONDS,
        arbitration_seconds=60,
    )
    await creator.registry.create_order(creator.store.keep(SCENE), terms, 1)


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something that the worker does by itself."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not holds():  # noqa: ASYNC110 - the worker tells nobody
            await asyncio.sleep(0.02)


def newest_block(node: Devnet) -> str:
    """Its hash."""
    return str(node.ask("starknet_getBlockWithTxHashes", block_id="latest")["block_hash"])


async def facts(seat: Seat) -> tuple[JobState, int, int, int]:
    """Job 1's state and worker, and what all workers' credit and all that is burned come to."""
    job: Job = await seat.registry.get_job(1)
    totals = await seat.registry.totals()
    return job.state, job.worker, totals.escrow_fri, totals.burned_fri


async def test_a_claim_that_was_undone_is_made_again_before_the_result_goes_out(tmp_path: Path) -> None:
    """fault_66: a reorganisation takes the claim while Blender renders; one render, one bond, one result."""
    with devnet(full_archive=True) as node:
        async with seated(node, tmp_path) as (creator, worker, _):
            await post(creator)
            worker.renderer.gate.clear()
            async with worker.working():
                await until(lambda: worker.renderer.begun == 1)
                node.abort_blocks(newest_block(node))
                assert (await facts(creator))[0] is JobState.OPEN
                worker.renderer.gate.set()
                await until(lambda: worker.stage() in (Stage.SUBMITTED, Stage.LOST))
            expected = (JobState.SUBMITTED, worker.registry.account, REWARD + BOND, 0)
            assert expected == await facts(creator)
            assert worker.renderer.begun == 1


async def test_a_claim_that_went_to_another_is_not_served(tmp_path: Path) -> None:
    """fault_66: after the reorganisation another claims first: the worker stops, and hands in nothing."""
    with devnet(full_archive=True) as node:
        async with seated(node, tmp_path) as (creator, worker, other):
            await post(creator)
            worker.renderer.gate.clear()
            async with worker.working():
                await until(lambda: worker.renderer.begun == 1)
                node.abort_blocks(newest_block(node))
                await other.registry.claim(1)
                worker.renderer.gate.set()
                await until(lambda: worker.stage() in (Stage.SUBMITTED, Stage.LOST))
            assert worker.stage() is Stage.LOST
            expected = (JobState.CLAIMED, other.registry.account, REWARD + BOND, 0)
            assert expected == await facts(creator)
            assert [pin for pin in await worker.store.pins() if "result" in pin.name] == []


@pytest.mark.parametrize("blocks", [1, 2], ids=["the submission", "the claim, too"])
async def test_a_submission_that_was_undone_is_made_again(tmp_path: Path, blocks: int) -> None:
    """fault_67: the same result is handed in again, without another render."""
    with devnet(full_archive=True) as node:
        async with seated(node, tmp_path) as (creator, worker, _):
            await post(creator)
            async with worker.working():
                worker.renderer.gate.clear()
                await until(lambda: worker.renderer.begun == 1)
                claimed = newest_block(node)
                worker.renderer.gate.set()
                await until(lambda: worker.stage() is Stage.SUBMITTED)
                result_cid = (await creator.registry.get_job(1)).result_cid
                node.abort_blocks(newest_block(node) if blocks == 1 else claimed)
                undone = JobState.CLAIMED if blocks == 1 else JobState.OPEN
                assert (await facts(creator))[0] is undone
                # The chain goes on: that a node only lags is ruled out by its blocks.
                await until(lambda: bool(node.create_block()) and worker.stage() is Stage.STORED)
                await until(lambda: worker.stage() is Stage.SUBMITTED)
            expected = (JobState.SUBMITTED, worker.registry.account, REWARD + BOND, 0)
            assert expected == await facts(creator)
            assert (await creator.registry.get_job(1)).result_cid == result_cid
            assert worker.renderer.begun == 1


async def test_of_two_claims_in_one_block_one_is_rendered(tmp_path: Path) -> None:
    """fault_65: blocks come on demand; both claims are in the same one, and only its winner renders."""
    with devnet(on_demand=True) as node:
        is_held = False

        async def make_blocks() -> None:
            while True:
                if not is_held:
                    node.create_block()
                await asyncio.sleep(0.1)

        blocks = asyncio.create_task(make_blocks())
        try:
            async with seated(node, tmp_path) as (creator, one, two):
                await post(creator)
                is_held = True
                barrier = asyncio.Barrier(2)
                one.endpoints.barrier = two.endpoints.barrier = barrier
                async with one.working(), two.working():
                    await until(lambda: _pending(node) == 2)
                    assert (one.renderer.begun, two.renderer.begun) == (0, 0)
                    one.endpoints.barrier = two.endpoints.barrier = None
                    is_held = False
                    await until(lambda: {one.stage(), two.stage()} == {Stage.SUBMITTED, Stage.LOST})
                winner, loser = (one, two) if one.stage() is Stage.SUBMITTED else (two, one)
                assert (winner.renderer.begun, loser.renderer.begun) == (1, 0)
                expected = (JobState.SUBMITTED, winner.registry.account, REWARD + BOND, 0)
                assert expected == await facts(creator)
                assert (await loser.registry.funds(loser.registry.account)).credit_fri == MONEY
        finally:
            blocks.cancel()


def _pending(node: Devnet) -> int:
    """How many transactions are in the block that is not closed yet."""
    return len(node.ask("starknet_getBlockWithTxHashes", block_id="pre_confirmed")["transactions"])
