"""The foreign registries behave on a real chain as documented; the adapter's tests rely on it."""

from __future__ import annotations

import pytest
from starknet_py.cairo.felt import encode_shortstring
from starknet_py.net.account.account import Account
from starknet_py.net.client_errors import ClientError
from tests.contracts.deployment import approve, balance, deploy, load, move, seen_by, signer, view
from tests.nodes import STRK_ADDRESS, Devnet

pytestmark = pytest.mark.slow

REWARD_FRI = 5 * 10**18
PAIR = (
    encode_shortstring("bafybeigdyrzt5sfp7udm7hu76uh7y2"),
    encode_shortstring("6nf3efuylqabf3oclgtqy55fbzdi"),
)
SHORT = encode_shortstring("a-short-name")
LONG = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"


def _people(node: Devnet) -> tuple[Account, Account]:
    """A creator and a worker."""
    return signer(node, node.accounts[0]), signer(node, node.accounts[1])


async def test_classic_pays_the_first_result_of_a_verified_worker(fresh_devnet: Devnet) -> None:
    """It refuses the result before the worker is registered and verified."""
    creator, worker = _people(fresh_devnet)
    registry = await deploy(creator, load("classic_registry"), creator.address, STRK_ADDRESS)
    await approve(creator, registry.address, REWARD_FRI)
    await move(registry, "create_job", PAIR, REWARD_FRI)
    mine = seen_by(registry, worker)
    with pytest.raises(ClientError, match=r"NOT_ELIGIBLE|4e4f545f454c494749424c45"):
        await move(mine, "submit_result", 1, PAIR)
    await move(mine, "register_worker", SHORT)
    assert await view(mine, "is_worker_eligible", worker.address, 1) is False
    await move(registry, "verify_worker", worker.address)
    assert await view(mine, "is_worker_eligible", worker.address, 1) is True
    await move(mine, "submit_result", 1, PAIR)
    assert await view(mine, "get_job_worker", 1) == worker.address
    assert await view(mine, "get_job_asset_cid", 1) == PAIR
    assert await view(mine, "get_job_creator", 2) == 0
    assert await balance(creator, registry.address) == 0


async def test_deadline_pays_from_the_deadline_on(fresh_devnet: Devnet) -> None:
    """Not a second earlier, and for any caller."""
    creator, worker = _people(fresh_devnet)
    registry = await deploy(creator, load("deadline_registry"), STRK_ADDRESS)
    await approve(creator, registry.address, REWARD_FRI)
    deadline = fresh_devnet.now() + 3600
    await move(registry, "create_job", PAIR, REWARD_FRI, deadline)
    mine = seen_by(registry, worker)
    await move(mine, "submit_result", 1, PAIR)
    fresh_devnet.set_time(deadline - 1)
    with pytest.raises(ClientError, match=r"TOO_EARLY|544f4f5f4541524c59"):
        await move(mine, "finalize_job", 1)
    fresh_devnet.set_time(deadline)
    await move(registry, "finalize_job", 1)
    assert await view(mine, "get_job_counter") == 1
    assert await view(mine, "get_job_result_cid", 1) == PAIR
    assert await balance(creator, registry.address) == 0


async def test_claim_pays_the_claimant_only(fresh_devnet: Devnet) -> None:
    """A result of anyone else is refused."""
    creator, worker = _people(fresh_devnet)
    registry = await deploy(creator, load("claim_registry"), STRK_ADDRESS)
    await approve(creator, registry.address, REWARD_FRI)
    await move(registry, "create_job", LONG, REWARD_FRI)
    mine = seen_by(registry, worker)
    await move(mine, "claim_job", 1)
    with pytest.raises(ClientError, match=r"NOT_CLAIMANT|4e4f545f434c41494d414e54"):
        await move(registry, "submit_result", 1, LONG)
    before = await balance(worker, worker.address)
    await move(mine, "submit_result", 1, LONG)
    gained = await balance(worker, worker.address) - before
    assert REWARD_FRI - 10**18 < gained < REWARD_FRI
    assert await view(mine, "get_job_asset_cid", 1) == LONG
    assert await view(mine, "get_job_reward", 1) == REWARD_FRI
