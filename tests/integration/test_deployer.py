"""Deploying our contract on a real chain, over a failing network, and concurrently."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.nodes import STRK_ADDRESS, Devnet
from tests.proxy import Fault, Proxy

from veriframe.adapters.starknet.account.keystore import Key
from veriframe.adapters.starknet.connection import CLASSES
from veriframe.adapters.starknet.contract.contract import Contract
from veriframe.adapters.starknet.job_registry.deployer import Built, Deployer, read_built
from veriframe.adapters.starknet.rpc.endpoints import EndpointLimits, Endpoints, Params, RpcError
from veriframe.adapters.starknet.transactions.outbox import Outbox
from veriframe.adapters.starknet.transactions.sender import Sender, SendTimeouts
from veriframe.adapters.starknet.transactions.transaction import Declare
from veriframe.errors import MoveRefused, RegistryUnavailable, SettingsError

pytestmark = pytest.mark.slow

LIMIT_FRI = 10 * 10**18
HURRIED = EndpointLimits(request_seconds=5.0, call_seconds=20.0, pause_seconds=0.05)
QUICK = SendTimeouts(wait_seconds=30.0, poll_seconds=0.02, poll_max_seconds=0.2)
BUILT = read_built(CLASSES)


@asynccontextmanager
async def deploying(
    node: Devnet, nodes: Endpoints, folder: Path, *, account: int = 0, salt: int = 0, built: Built = BUILT
) -> AsyncIterator[Deployer]:
    """A deployer for one of the chain's accounts."""
    owner = node.accounts[account]
    outbox = Outbox(folder / f"outbox-{account}.sqlite")
    sender = Sender(
        nodes, outbox, owner.address, Key(owner.private_key), max_fee_fri=LIMIT_FRI, timeouts=QUICK
    )
    try:
        yield Deployer(nodes, sender, built, token=STRK_ADDRESS, salt=salt)
    finally:
        outbox.close()
        await nodes.close()


@pytest.mark.parametrize("fault", [Fault.RESET_AFTER, Fault.BROKEN, Fault.HANG_AFTER, Fault.GARBAGE])
async def test_whatever_fails_on_sending_the_class_is_declared_once(
    fresh_devnet: Devnet, tmp_path: Path, fault: Fault
) -> None:
    """fault_61, fault_63: lost before or after the node acted, there is one declaration and one contract."""
    proxy = Proxy(fresh_devnet.url, faults=[fault], only="starknet_addDeclareTransaction")
    async with proxy, deploying(fresh_devnet, Endpoints([proxy.url], limits=HURRIED), tmp_path) as deployer:
        done = await deployer.carry_out(await deployer.plan())
        assert proxy.faults == []
        found = await Contract(Endpoints([fresh_devnet.url]), done.address).class_hash()
        assert found == BUILT.class_hash
        assert None not in (done.declared, done.deployed)
    owner = fresh_devnet.accounts[0].address
    assert fresh_devnet.ask("starknet_getNonce", block_id="latest", contract_address=hex(owner)) == "0x2"


async def test_two_who_deploy_at_once_come_to_one_contract(fresh_devnet: Devnet, tmp_path: Path) -> None:
    """Both plan everything; one is faster, the other finds its result, and both report the same."""
    ways = [Endpoints([fresh_devnet.url], limits=HURRIED) for _ in range(2)]
    async with (
        deploying(fresh_devnet, ways[0], tmp_path, account=0) as one,
        deploying(fresh_devnet, ways[1], tmp_path, account=1) as other,
    ):
        first, second = await one.plan(), await other.plan()
        assert (first.address, first.is_declared, second.is_declared) == (second.address, False, False)
        done, found = await one.carry_out(first), await other.carry_out(second)
    assert done.address == found.address
    assert (found.declared, found.deployed) == (None, None)
    other_nonce = fresh_devnet.ask(
        "starknet_getNonce", block_id="latest", contract_address=hex(fresh_devnet.accounts[1].address)
    )
    assert other_nonce == "0x0"


async def test_interrupted_between_its_transactions_it_continues(
    fresh_devnet: Devnet, tmp_path: Path
) -> None:
    """The class is declared, the contract is not: the next run deploys it, and declares nothing."""
    way = Endpoints([fresh_devnet.url], limits=HURRIED)
    async with deploying(fresh_devnet, way, tmp_path) as deployer:
        plan = await deployer.plan()
        cut = asyncio.create_task(deployer.carry_out(plan))
        await _until_declared(way)
        cut.cancel()
        await asyncio.wait({cut})
    async with deploying(fresh_devnet, Endpoints([fresh_devnet.url]), tmp_path) as deployer:
        plan = await deployer.plan()
        assert plan.is_declared
        done = await deployer.carry_out(plan)
    assert done.deployed is not None
    owner = fresh_devnet.accounts[0].address
    assert fresh_devnet.ask("starknet_getNonce", block_id="latest", contract_address=hex(owner)) == "0x2"


async def _until_declared(nodes: Endpoints) -> None:
    asked = {"block_id": "latest", "class_hash": hex(BUILT.class_hash)}
    for _ in range(1000):
        with suppress(RpcError):
            await nodes.call("starknet_getClass", asked)
            return
        await asyncio.sleep(0.01)
    pytest.fail("the class was never declared")


async def test_a_class_that_the_chain_does_not_accept(fresh_devnet: Devnet, tmp_path: Path) -> None:
    """Another compiled class than the node's own: refused with a clear message, and no nonce is stuck."""
    wrong = replace(BUILT, declare=Declare(BUILT.declare.contract_class, 0x1234))
    way = Endpoints([fresh_devnet.url], limits=HURRIED)
    async with deploying(fresh_devnet, way, tmp_path, built=wrong) as deployer:
        with pytest.raises(MoveRefused, match=r"does not accept the contract: .*compiled class hash"):
            await deployer.carry_out(await deployer.plan())
    async with deploying(fresh_devnet, Endpoints([fresh_devnet.url]), tmp_path) as deployer:
        assert (await deployer.carry_out(await deployer.plan())).deployed is not None


class Lying(Endpoints):
    """Nodes that show another class at every address."""

    async def call(self, method: str, params: Params | None = None) -> Any:
        """The answer, or a lie."""
        answer = await super().call(method, params)
        if method == "starknet_getClassHashAt":
            return hex(0xBAD)
        return answer


async def test_a_contract_of_another_class_is_never_reported(devnet_node: Devnet, tmp_path: Path) -> None:
    """fault_71: the node's class at the address is compared before the address is shown."""
    way = Lying([devnet_node.url], limits=HURRIED)
    async with deploying(devnet_node, way, tmp_path, account=3, salt=0x99) as deployer:
        plan = await deployer.plan()
        with pytest.raises(RegistryUnavailable, match="Do not use it"):
            await deployer.carry_out(plan)


def test_a_damaged_installation_is_reported(tmp_path: Path) -> None:
    """fault_78: no class, half a class, empty hashes."""
    with pytest.raises(SettingsError, match="Install VeriFrame again"):
        read_built(tmp_path)
    for name in ("job_registry.hashes.json", "job_registry.sierra.json.gz"):
        (tmp_path / name).write_bytes((CLASSES / name).read_bytes()[:100])
    with pytest.raises(SettingsError, match="Install VeriFrame again"):
        read_built(tmp_path)
