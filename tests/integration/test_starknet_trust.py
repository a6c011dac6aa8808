"""A real chain behind lying nodes: they get no signed claim, and no signature for another chain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from starknet_py.hash.selector import get_selector_from_name
from tests.deployed import REGISTRY, Clients, class_hash, deploy
from tests.nodes import STRK_ADDRESS, Devnet
from tests.proxy import Proxy

from veriframe.adapters.starknet.account.keystore import Key
from veriframe.adapters.starknet.connection import Network, join
from veriframe.adapters.starknet.job_registry.registry import StarknetRegistry
from veriframe.adapters.starknet.trust.learned_chain import expect
from veriframe.errors import RegistryUnavailable, SettingsError
from veriframe.model.registry.job import JobState, Terms
from veriframe.ports.registry import read_job

pytestmark = pytest.mark.slow

CID = "bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4"
R, BOND, SMALL_BOND = 1000, 777_777, 11
CREATOR, WORKER = 0, 1
LOOK = hex(get_selector_from_name("look"))
MAIN = "0x534e5f4d41494e"


class Liar(Proxy):
    """A proxy before a real node that changes answers with `lie`."""

    lie: Callable[[str, dict[str, Any], Any], Any] = staticmethod(lambda _method, _params, result: result)

    async def _answer(self, call: dict[str, Any]) -> dict[str, Any]:
        answer = await super()._answer(call)
        if "result" in answer:
            answer["result"] = self.lie(call["method"], call["params"], answer["result"])
        return answer


def small_bond(method: str, params: dict[str, Any], result: Any) -> Any:
    """Shows a smaller bond in every order."""
    if method == "starknet_call" and params["request"]["entry_point_selector"] == LOOK:
        return [hex(SMALL_BOND) if int(felt, 16) == BOND else felt for felt in result]
    return result


def another_chain(method: str, _params: dict[str, Any], result: Any) -> Any:
    """Shows the main chain's id."""
    return MAIN if method == "starknet_chainId" else result


@pytest.fixture
def network(fresh_devnet: Devnet, tmp_path: Path) -> Network:
    """The worker's settings, with the chain itself."""
    owner = fresh_devnet.accounts[WORKER]
    return Network(
        urls=[fresh_devnet.url],
        token=STRK_ADDRESS,
        max_fee_fri=10**19,
        account=owner.address,
        devnet_account=None,
        outbox_folder=tmp_path / "home",
    )


async def post(node: Devnet, folder: Path) -> int:
    """Deploys a registry with one order, whose job has a large bond."""
    address = await deploy(node, REGISTRY, STRK_ADDRESS)
    clients = Clients(node, folder)
    try:
        creator = StarknetRegistry(
            clients.endpoints,
            clients.sender(CREATOR),
            address,
            token=STRK_ADDRESS,
            class_hashes={class_hash(REGISTRY)},
        )
        await creator.deposit(R)
        terms = Terms(
            reward_fri=R,
            bond_fri=BOND,
            deadline=node.now() + 10**7,
            lease_seconds=600,
            review_seconds=60,
            arbitration_seconds=60,
        )
        assert list(await creator.create_order(CID, terms, 1)) == [1]
    finally:
        await clients.close()
    return address


async def test_a_hidden_bond_gets_no_claim(fresh_devnet: Devnet, tmp_path: Path, network: Network) -> None:
    """fault_98: if one of two nodes hides the bond, nothing is sent; if both are honest, it is claimed."""
    node = fresh_devnet
    address = await post(node, tmp_path)
    key = Key(node.accounts[WORKER].private_key)
    liar, honest = Liar(node.url), Liar(node.url)
    liar.lie = small_bond
    async with liar, honest:
        registry, close = await join(replace(network, urls=[liar.url, honest.url]), address, key)
        try:
            assert (await read_job(registry, 1)).terms.bond_fri == SMALL_BOND
            with pytest.raises(RegistryUnavailable, match=r"different terms of job 1 \(bond_fri\)"):
                await registry.claim(1)
            assert liar.sent == honest.sent == []
        finally:
            await close()
        liar.lie = Liar.lie
        registry, close = await join(replace(network, urls=[liar.url, honest.url]), address, key)
        try:
            assert (await read_job(registry, 1)).terms.bond_fri == BOND
            before = len(honest.seen)
            await registry.claim(1)
            assert honest.seen[before:].count("starknet_call") == 4, "credit, wallet, job, bar: one batch"
            assert (await read_job(registry, 1)).state is JobState.CLAIMED
        finally:
            await close()


async def test_nothing_is_signed_for_another_chain(
    fresh_devnet: Devnet, tmp_path: Path, network: Network
) -> None:
    """fault_98: the chain learned at the first start counts at the second, whatever the node reports."""
    node = fresh_devnet
    address = await post(node, tmp_path)
    key = Key(node.accounts[WORKER].private_key)
    home = network.outbox_folder
    _, close = await join(network, address, key)
    await close()
    liar = Liar(node.url)
    liar.lie = another_chain
    async with liar:
        again = replace(network, urls=[liar.url], chain=expect(home, address, None))
        with pytest.raises(SettingsError, match=r"SN_MAIN.*SN_SEPOLIA"):
            await join(again, address, key)
        assert set(liar.seen) == {"starknet_chainId"}
        with pytest.raises(SettingsError, match="chain_id is SN_MAIN"):
            expect(home, address, int(MAIN, 16))


async def test_a_frozen_chain_gets_no_claim(fresh_devnet: Devnet, tmp_path: Path, network: Network) -> None:
    """fault_98: its time is a day ahead of this machine's, which only a development chain may be."""
    node = fresh_devnet
    address = await post(node, tmp_path)
    key = Key(node.accounts[WORKER].private_key)
    node.increase_time(86_400)
    registry, close = await join(replace(network, clock_skew_seconds=600), address, key)
    try:
        with structlog.testing.capture_logs() as lines, pytest.raises(RegistryUnavailable, match="NTP"):
            await registry.claim(1)
        assert [line["event"] for line in lines] == ["chain_time_doubtful"]
    finally:
        await close()
    registry, close = await join(network, address, key)
    try:
        await registry.claim(1)
        assert (await read_job(registry, 1)).state is JobState.CLAIMED
    finally:
        await close()
