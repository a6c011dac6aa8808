"""Workers with our contract on a development chain: chain, registry and sender are real, renders are not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.deployed import MAX_FEE_FRI, PACE, REGISTRY, class_hash, deploy
from tests.fakes.bench import DEADLINE_SECONDS, LEASE_SECONDS, REVIEW_SECONDS, SCENE, GatedRenderer
from tests.fakes.journal import FakeJournal
from tests.fakes.store import FakeStore
from tests.nodes import STRK_ADDRESS, Devnet

from veriframe.adapters.starknet.account.keystore import Key
from veriframe.adapters.starknet.job_registry.registry import StarknetRegistry
from veriframe.adapters.starknet.rpc.endpoints import Endpoints
from veriframe.adapters.starknet.transactions.outbox import Outbox
from veriframe.adapters.starknet.transactions.sender import Sender
from veriframe.model.attempt.attempt import Stage
from veriframe.model.attempt.policy import Policy
from veriframe.model.quantities import FRI_PER_STRK
from veriframe.model.registry.job import Terms
from veriframe.model.rendering.frames import RenderLimits
from veriframe.worker.context import WorkerContext
from veriframe.worker.service import Service
from veriframe.worker.shared.workspace import Workspace

CREATOR, WORKER, OTHER = 0, 1, 2
REWARD, BOND = FRI_PER_STRK, FRI_PER_STRK // 10
"""More than the fees of a job's moves."""
MONEY = 10 * BOND
WAIT_SECONDS = 60.0


class HeldEndpoints(Endpoints):
    """A node that sends a transaction only after `barrier`, if there is one, opens."""

    barrier: asyncio.Barrier | None = None

    async def call(self, method: str, params: Any = None) -> Any:
        """As any node answers."""
        if method == "starknet_addInvokeTransaction" and self.barrier is not None:
            await self.barrier.wait()
        return await super().call(method, params)


@dataclass
class Client:
    """One account: its registry, and the components of its worker."""

    registry: StarknetRegistry
    endpoints: HeldEndpoints
    folder: Path
    store: FakeStore

    def __post_init__(self) -> None:
        self.renderer, self.journal = GatedRenderer(), FakeJournal()
        self.context = WorkerContext(
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
        """The stage of the worker's attempt on job 1."""
        attempt = self.journal.by_job.get(1)
        return attempt.stage if attempt else None

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Runs the worker for the `with` block."""
        work = asyncio.create_task(Service(self.context, poll_seconds=0.05).run())
        try:
            yield
        finally:
            work.cancel()
            await asyncio.wait([work])


@asynccontextmanager
async def connected_clients(node: Devnet, folder: Path) -> AsyncIterator[list[Client]]:
    """Deploys a registry and yields a creator and two workers, all with credit."""
    address = await deploy(node, REGISTRY, STRK_ADDRESS)
    store, clients, outboxes = FakeStore(), [], []
    for number in (CREATOR, WORKER, OTHER):
        own = folder / str(number)
        own.mkdir()
        owner, endpoints, outbox = (
            node.accounts[number],
            HeldEndpoints([node.url]),
            Outbox(own / "outbox.sqlite"),
        )
        key = Key(owner.private_key)
        sender = Sender(endpoints, outbox, owner.address, key, max_fee_fri=MAX_FEE_FRI, timeouts=PACE)
        hashes = {class_hash(REGISTRY)}
        registry = StarknetRegistry(endpoints, sender, address, token=STRK_ADDRESS, class_hashes=hashes)
        clients.append(Client(registry, endpoints, own, store))
        outboxes.append(outbox)
    try:
        await asyncio.gather(*(client.registry.deposit(MONEY) for client in clients))
        yield clients
    finally:
        for client, outbox in zip(clients, outboxes, strict=True):
            await client.endpoints.close()
            outbox.close()


async def post(creator: Client, scene: bytes = SCENE, jobs: int = 1, **changed: int) -> int:
    """Posts an order, by default of one job. Returns its first job. `deadline` is in seconds from now."""
    now = (await creator.registry.snapshot(1, 0)).head.time
    terms = Terms(
        reward_fri=REWARD,
        bond_fri=BOND,
        deadline=now + changed.pop("deadline", DEADLINE_SECONDS),
        lease_seconds=LEASE_SECONDS,
        review_seconds=REVIEW_SECONDS,
        arbitration_seconds=60,
    )
    terms = replace(terms, **changed)  # type: ignore[arg-type]
    return (await creator.registry.create_order(creator.store.keep(scene), terms, jobs))[0]


async def until(holds: Callable[[], bool]) -> None:
    """Waits until a condition holds."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not holds():  # noqa: ASYNC110 - the worker tells nobody
            await asyncio.sleep(0.02)
