"""One registry of each kind with clients for its accounts, and its clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from tests.fakes.chain import CLASS_HASH, REGISTRY, TOKEN, FakeChain, FakeSender
from tests.fakes.registry import FakeRegistry, Shared
from tests.ports.devnet_clients import FEES_FRI, clients

from veriframe.adapters.local_registry import LocalRegistry, local_address
from veriframe.adapters.starknet.job_registry.registry import StarknetRegistry
from veriframe.errors import MoveRefused
from veriframe.model.registry.job import Address, JobState, Terms
from veriframe.ports.registry import read_job

CID = "bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4"
WALLET = 1000 * 10**18
CREDIT, R, B = 10_000, 1000, 95
DEADLINE, LEASE, REVIEW, ARBITRATION = 10_000, 600, 300, 900

KINDS = ("fake", "local", "starknet", pytest.param("devnet", marks=pytest.mark.slow))
"""In memory, embedded, and StarkNet's adapter with a node in memory and with a real one."""

Registry = FakeRegistry | LocalRegistry | StarknetRegistry


@dataclass
class World:
    """One registry with clients for its four accounts, and its clock."""

    creator: Registry
    worker: Registry
    other: Registry
    arbiter: Registry
    wait: Callable[[int], None]
    fees_fri: Counter[Address] = field(default_factory=Counter)
    """The fees that each account has paid so far."""
    fee_room_fri: int = 0
    """What a wallet must keep for future fees."""

    def terms(self, now: int) -> Terms:
        """Terms with an arbiter, posted at `now`."""
        return Terms(
            reward_fri=R,
            bond_fri=B,
            deadline=now + DEADLINE,
            lease_seconds=LEASE,
            review_seconds=REVIEW,
            arbitration_seconds=ARBITRATION,
            arbiter=self.arbiter.account,
        )

    async def post(self, jobs: int = 1, **changes: int) -> int:
        """Posts an order of the creator. Returns its first job."""
        now = (await self.creator.snapshot(1, 0)).head.time
        terms = self.terms(now)
        return (await self.creator.create_order(CID, replace(terms, **changes), jobs))[0]  # type: ignore[arg-type]

    async def claimed(self) -> int:
        """Posts a job that the worker claims."""
        job_id = await self.post()
        await self.worker.claim(job_id)
        return job_id

    async def submitted(self) -> int:
        """Posts a job to which the worker submits a result."""
        job_id = await self.claimed()
        await self.worker.submit_result(job_id, CID)
        return job_id

    async def disputed(self) -> int:
        """Posts a job whose result the creator disputes."""
        job_id = await self.submitted()
        await self.creator.dispute_result(job_id, CID)
        return job_id

    async def state(self, job_id: int) -> JobState:
        """The state of a job."""
        return (await read_job(self.other, job_id)).state

    async def held(self, client: Registry) -> tuple[int, int]:
        """A client's wallet, without deducting paid fees, and its credit."""
        funds = await client.funds(client.account)
        return funds.wallet_fri + self.fees_fri[client.account], funds.credit_fri

    async def credits(self) -> tuple[int, int, int]:
        """The gains of creator and worker since they deposited, and the burned money."""
        creator = await self.creator.funds(self.creator.account)
        worker = await self.worker.funds(self.worker.account)
        burned = (await self.creator.totals()).burned_fri
        return creator.credit_fri - CREDIT, worker.credit_fri - CREDIT, burned


class Clock:
    """This machine's time, set by the tests."""

    now = 1_700_000_000.0

    def __call__(self) -> float:
        """The time in Unix seconds."""
        return self.now


@asynccontextmanager
async def open_world(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[World]:
    """Opens a registry: creator, worker and another worker with credit, an arbiter with a wallet.

    Audits it at the end.

    `request` is the fixture's, with one of `KINDS` as its parameter.
    """
    if request.param == "devnet":
        async with clients(request.getfixturevalue("chain_node"), folder, WALLET) as (chain, registries):
            creator, worker, other, arbiter = registries
            world = World(creator, worker, other, arbiter, chain.wait, chain.fees_fri, FEES_FRI)
            await _fill(world)
            yield world
        return
    worlds = {"fake": _fake_world, "local": lambda: _local_world(folder), "starknet": _starknet_world}
    world = worlds[request.param]()
    await _fill(world)
    yield world
    for registry in (world.creator, world.worker, world.other, world.arbiter):
        if isinstance(registry, LocalRegistry):
            assert (await registry.audit()).discrepancies == ()
            registry.close()


async def _fill(world: World) -> None:
    for client in (world.creator, world.worker, world.other):
        await client.deposit(CREDIT)


def _fake_world() -> World:
    shared = Shared(strict=True)

    def open_as(name: str) -> FakeRegistry:
        return FakeRegistry(local_address(name), shared, wallet_fri=WALLET)

    def wait(seconds: int) -> None:
        shared.now += seconds
        shared.block += 1

    return World(open_as("creator"), open_as("worker"), open_as("other"), open_as("arbiter"), wait)


def _starknet_world() -> World:
    """StarkNet's adapter with a node in memory."""
    shared = Shared(strict=True)
    chain = FakeChain(shared)

    def open_as(name: str) -> StarknetRegistry:
        sender = FakeSender(local_address(name), chain)
        shared.wallets[Address(sender.account)] += WALLET
        return StarknetRegistry(chain, sender, REGISTRY, token=TOKEN, class_hashes={CLASS_HASH})

    def wait(seconds: int) -> None:
        shared.now += seconds
        shared.block += 1

    return World(open_as("creator"), open_as("worker"), open_as("other"), open_as("arbiter"), wait)


def _local_world(folder: Path) -> World:
    clock = Clock()

    def open_as(name: str) -> LocalRegistry:
        return LocalRegistry(folder / "registry.sqlite", name, clock=clock)

    def wait(seconds: int) -> None:
        clock.now += seconds

    return World(open_as("creator"), open_as("worker"), open_as("other"), open_as("arbiter"), wait)


async def rule(move: Awaitable[object]) -> str:
    """Returns the rule that refuses a move."""
    with pytest.raises(MoveRefused) as raised:
        await move
    return raised.value.rule
