"""Foreign registries on a devnet, with one job each and a registered worker."""

from __future__ import annotations

import asyncio

from tests.deployed import ROOT, deploy, invoke
from tests.nodes import STRK_ADDRESS, Devnet

from veriframe.adapters.starknet.cairo.codec import halves, short_string

CREATOR, WORKER = 0, 1
REWARD_FRI = 1000
ARTIFACTS = ROOT / "tests" / "contracts" / "artifacts"


def open_classic(node: Devnet, *more: int) -> int:
    """Deploy a classic registry without jobs; verify our worker, and `more`. Returns its address."""

    async def open_it() -> int:
        owner = node.accounts[CREATOR].address
        registry = await deploy(node, ARTIFACTS / "classic_registry", owner, STRK_ADDRESS)
        for number in (WORKER, *more):
            worker = node.accounts[number].address
            await invoke(node, number, (registry, "register_worker", [short_string(b"worker")]))
            await invoke(node, CREATOR, (registry, "verify_worker", [worker]))
        return registry

    return asyncio.run(open_it())


def post_classic(node: Devnet, registry: int, asset_cid: str, *rewards_fri: int) -> None:
    """Post a job in a classic registry, or one for each of these rewards."""
    rewards = rewards_fri or (REWARD_FRI,)
    allow = (STRK_ADDRESS, "approve", [registry, sum(rewards), 0])
    asset = halves(asset_cid.encode())
    creates = [(registry, "create_job", [*asset, reward, 0]) for reward in rewards]
    asyncio.run(invoke(node, CREATOR, allow, *creates))


def post_guild(node: Devnet, asset_cid: str) -> int:
    """Deploy a guild with one job, number 0. Our worker is not registered yet. Returns its address."""

    async def post() -> int:
        registry = await deploy(node, ARTIFACTS / "guild_registry", node.accounts[CREATOR].address)
        job = [*halves(asset_cid.encode()), REWARD_FRI, 0, node.now() + 10**6, 0]
        await invoke(node, CREATOR, (registry, "create_job", job))
        return registry

    return asyncio.run(post())


def verify_worker(node: Devnet, registry: int) -> None:
    """Verify the worker, as the owner."""
    worker = node.accounts[WORKER].address
    asyncio.run(invoke(node, CREATOR, (registry, "verify_worker", [worker])))
