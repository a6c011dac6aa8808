"""Deploying an account's contract on a real chain, with money that was sent to its address before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.nodes import Devnet

from veriframe.adapters.starknet.account import accounts, deployment, keystore
from veriframe.adapters.starknet.account.keystore import Key
from veriframe.adapters.starknet.rpc.endpoints import Endpoints
from veriframe.errors import MoveRefused, RegistryUnavailable

pytestmark = pytest.mark.slow

STRK = 10**18
CLASS_HASH = accounts.OPEN_ZEPPELIN_CLASS_HASH


@pytest.fixture
async def endpoints(devnet_node: Devnet) -> AsyncIterator[Endpoints]:
    """The chain's node."""
    made = Endpoints([devnet_node.url])
    yield made
    await made.close()


async def _deploy(endpoints: Endpoints, key: Key, **changes: int) -> tuple[int, bool]:
    wanted = {"class_hash": CLASS_HASH, "salt": key.public_key, "max_fee_fri": STRK, **changes}
    address, receipt = await deployment.deploy(endpoints, key, **wanted)
    return address, receipt is not None


async def test_an_account_is_deployed_at_its_address(devnet_node: Devnet, endpoints: Endpoints) -> None:
    """At the announced address, with its key; a second time changes and costs nothing."""
    key = Key.random()
    address = accounts.counterfactual_address(key.public_key)
    devnet_node.mint(address, STRK)
    assert await _deploy(endpoints, key) == (address, True)
    nonce = devnet_node.ask("starknet_getNonce", block_id="latest", contract_address=hex(address))
    held = devnet_node.ask("starknet_getClassHashAt", block_id="latest", contract_address=hex(address))
    assert (int(nonce, 16), int(held, 16)) == (1, CLASS_HASH)
    assert await _deploy(endpoints, key) == (address, False)


async def test_without_money_nothing_is_sent(endpoints: Endpoints) -> None:
    """fault_78: the message says how much to send where."""
    key = Key.random()
    with pytest.raises(MoveRefused, match=r"holds 0 STRK\. Send STRK there first") as caught:
        await _deploy(endpoints, key)
    assert f"{accounts.counterfactual_address(key.public_key):x}" in str(caught.value)


async def test_an_unknown_class_is_refused(endpoints: Endpoints) -> None:
    """Before anything is paid."""
    with pytest.raises(MoveRefused, match="is not declared on this chain"):
        await _deploy(endpoints, Key.random(), class_hash=0x1234)


async def test_no_more_is_paid_than_allowed(devnet_node: Devnet, endpoints: Endpoints) -> None:
    """The limit counts, not the balance."""
    key = Key.random()
    devnet_node.mint(accounts.counterfactual_address(key.public_key), STRK)
    with pytest.raises(RegistryUnavailable, match="over the limit"):
        await _deploy(endpoints, key, max_fee_fri=1)


def test_the_command_deploys(devnet_node: Devnet, tmp_path: Path) -> None:
    """All steps of a new account: key, address, money, deployment; a second deployment is reported."""
    word, path = tmp_path / "word", tmp_path / "key.json"
    word.touch(0o600)
    word.write_text("correct horse", encoding="utf-8")
    keystore.write(path, Key.random(), b"correct horse", scrypt_n=4)
    address = _run(devnet_node, "address", path, word)["address"]
    devnet_node.mint(int(address, 16), STRK)
    first, second = (_run(devnet_node, "deploy", path, word) for _ in range(2))
    assert (first["address"], first["deployed"], "STRK" in first["fee"]) == (address, "now", True)
    assert second == {"version": 1, "address": address, "deployed": "already"}


def _run(node: Devnet, command: str, path: Path, word: Path) -> dict[str, str]:
    arguments: list[str | Path] = ["account", command, path, "--password-file", word, "--json"]
    ran = subprocess.run(
        [Path(sys.executable).with_name("veriframe"), "--home", path.parent, *arguments],
        env={"PATH": os.environ["PATH"], "STARKNET_RPC": node.url},
        cwd=path.parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    output: dict[str, str] = json.loads(ran.stdout)
    return output
