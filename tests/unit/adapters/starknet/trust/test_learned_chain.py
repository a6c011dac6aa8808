"""The chain of a registry is learned once, and nothing is signed for another chain."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.proxy import Proxy, fake_chain

from veriframe.adapters.starknet import connection
from veriframe.adapters.starknet.account.keystore import Key
from veriframe.adapters.starknet.connection import ConnectedAccount, Network
from veriframe.adapters.starknet.trust import learned_chain
from veriframe.adapters.starknet.trust.learned_chain import Expected, LearnedChain
from veriframe.errors import RegistryUnavailable, SettingsError
from veriframe.model.registry.chain import parse_chain_id

SEPOLIA, MAIN = parse_chain_id("SN_SEPOLIA"), parse_chain_id("SN_MAIN")
REGISTRY = 0xABC
NETWORK = Network(
    urls=(), token=1, max_fee_fri=1, account=0xA, devnet_account=None, outbox_folder=Path("nowhere")
)


def _file(home: Path) -> Path:
    return home / "chains" / "abc.json"


@asynccontextmanager
async def _client(home: Path, *nodes: Proxy, expected: Expected) -> AsyncIterator[ConnectedAccount]:
    network = replace(NETWORK, urls=[node.url for node in nodes], outbox_folder=home, chain=expected)
    client = await connection.connect_account(network, Key(7))
    try:
        yield client
    finally:
        await client.close()


def test_the_learned_chain_is_required(tmp_path: Path) -> None:
    """With mode 0600, and nothing else is left in the folder."""
    assert learned_chain.expect(tmp_path, REGISTRY, None) == Expected()
    learned = learned_chain.learn(tmp_path, REGISTRY, SEPOLIA)
    assert (learned.chain_id, learned.is_new) == (SEPOLIA, True)
    assert learned_chain.expect(tmp_path, REGISTRY, None).chain_id == SEPOLIA
    assert learned_chain.expect(tmp_path, REGISTRY, SEPOLIA).chain_id == SEPOLIA
    assert _file(tmp_path).stat().st_mode & 0o777 == 0o600
    assert list(_file(tmp_path).parent.iterdir()) == [_file(tmp_path)]


def test_each_registry_has_its_own(tmp_path: Path) -> None:
    """One home may serve several."""
    learned_chain.learn(tmp_path, REGISTRY, SEPOLIA)
    assert learned_chain.expect(tmp_path, 0xDEF, None) == Expected()
    assert learned_chain.expect(tmp_path, None, MAIN).chain_id == MAIN


def test_a_setting_that_says_otherwise_is_refused(tmp_path: Path) -> None:
    """fault_98: the message has both chains and the remedy."""
    learned_chain.learn(tmp_path, REGISTRY, SEPOLIA)
    with pytest.raises(SettingsError, match=rf"chain_id.*SN_MAIN.*SN_SEPOLIA.*{_file(tmp_path)}"):
        learned_chain.expect(tmp_path, REGISTRY, MAIN)


def test_the_second_process_uses_the_stored_chain(tmp_path: Path) -> None:
    """If it is another chain, the second process fails."""
    first = learned_chain.learn(tmp_path, REGISTRY, SEPOLIA)
    assert learned_chain.learn(tmp_path, REGISTRY, SEPOLIA) == first
    with pytest.raises(SettingsError):
        learned_chain.learn(tmp_path, REGISTRY, MAIN)
    assert learned_chain.read(tmp_path, REGISTRY) == LearnedChain(SEPOLIA, first.learned_at)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"chain_id": 5, "learned_at": 1}',
        '{"chain_id": "SN_MAIN", "learned_at": "x"}',
        "[" * 9,
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, content: str) -> None:
    """It never counts as a first start."""
    learned_chain.learn(tmp_path, REGISTRY, SEPOLIA)
    _file(tmp_path).write_text(content)
    with pytest.raises(SettingsError, match="chain_id"):
        learned_chain.expect(tmp_path, REGISTRY, None)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
def test_another_user_s_file_is_refused(tmp_path: Path) -> None:
    """fault_97: the user who writes it chooses the chain."""
    learned_chain.learn(tmp_path, REGISTRY, SEPOLIA)
    os.chown(_file(tmp_path), 65534, 65534)
    with pytest.raises(SettingsError, match="nobody"):
        learned_chain.expect(tmp_path, REGISTRY, None)


async def test_a_node_of_another_chain_stops_the_start(tmp_path: Path) -> None:
    """fault_98: it gets no signature; the message names both chains and the remedy."""
    learned_chain.learn(tmp_path, REGISTRY, SEPOLIA)
    expected = learned_chain.expect(tmp_path, REGISTRY, None)
    async with Proxy(fake_chain(MAIN)) as liar:
        with pytest.raises(SettingsError, match=r"SN_MAIN.*SN_SEPOLIA.*home"):
            async with _client(tmp_path, liar, expected=expected):
                pass
        assert set(liar.seen) == {"starknet_chainId"}


async def test_a_node_that_is_down_is_unavailable(tmp_path: Path) -> None:
    """It does not report its chain."""
    async with Proxy(fake_chain(MAIN)) as liar:
        urls = [liar.url, "http://127.0.0.1:9/"]
        expected = Expected(SEPOLIA, "chain_id is SN_SEPOLIA")
        network = replace(NETWORK, urls=urls, outbox_folder=tmp_path, chain=expected)
        with pytest.raises(RegistryUnavailable):
            await connection.connect_account(network, Key(7))


async def test_a_start_with_the_right_node_beside_a_wrong_one(tmp_path: Path) -> None:
    """fault_98: the required chain counts, whichever node is named first."""
    expected = Expected(SEPOLIA, "chain_id is SN_SEPOLIA")
    async with (
        Proxy(fake_chain(MAIN)) as liar,
        Proxy(fake_chain(SEPOLIA)) as right,
        _client(tmp_path, liar, right, expected=expected) as client,
    ):
        assert await client.nodes.chain_id() == SEPOLIA


async def test_nothing_is_learned_from_nodes_that_differ(tmp_path: Path) -> None:
    """fault_98: at the first start, the first node alone decides nothing."""
    async with Proxy(fake_chain(MAIN)) as liar, Proxy(fake_chain(SEPOLIA)) as right:
        with pytest.raises(SettingsError, match="chain_id"):
            async with _client(tmp_path, liar, right, expected=Expected()):
                pass


def test_the_file_is_plain_json(tmp_path: Path) -> None:
    """So that users can read it."""
    learned_chain.learn(tmp_path, REGISTRY, SEPOLIA)
    assert json.loads(_file(tmp_path).read_text())["chain_id"] == "SN_SEPOLIA"
