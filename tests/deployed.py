"""Contracts declared and deployed on a devnet, and the registry's adapters by its test accounts."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from starknet_py.contract import Contract, DeclareResult
from starknet_py.hash.selector import get_selector_from_name
from starknet_py.net.account.account import Account
from starknet_py.net.client_errors import ClientError
from starknet_py.net.client_models import Call
from starknet_py.net.full_node_client import FullNodeClient
from starknet_py.net.models.chains import StarknetChainId
from starknet_py.net.signer.key_pair import KeyPair
from tests.nodes import Devnet

from veriframe.adapters.starknet.endpoints import Endpoints
from veriframe.adapters.starknet.keystore import Key
from veriframe.adapters.starknet.outbox import Outbox
from veriframe.adapters.starknet.sender import Sender, SendPace

ROOT = Path(__file__).parents[1]
REGISTRY = ROOT / "contracts" / "artifacts" / "job_registry"
MAX_FEE_FRI = 10 * 10**18
PACE = SendPace(patience_seconds=30.0, poll_seconds=0.02, poll_max_seconds=0.2)


def class_hash(artifact: Path) -> int:
    """The class hash in an artefact's `….hashes.json`."""
    return int(json.loads(artifact.with_suffix(".hashes.json").read_text())["class_hash"], 16)


def plain_account(node: Devnet, number: int) -> Account:
    """A test account of the chain, by starknet_py alone."""
    owner = node.accounts[number]
    return Account(
        address=owner.address,
        client=FullNodeClient(node_url=node.url),
        key_pair=KeyPair.from_private_key(owner.private_key),
        chain=StarknetChainId.SEPOLIA,
    )


async def deploy(node: Devnet, artifact: Path, *arguments: int, account: int = 5) -> int:
    """The address of a new contract of this class. `arguments` are the constructor's."""
    owner = plain_account(node, account)
    sierra = gzip.decompress(artifact.with_suffix(".sierra.json.gz").read_bytes()).decode()
    await _declare(owner, artifact, sierra)
    deployed = await Contract.deploy_contract_v3(
        account=owner,
        class_hash=class_hash(artifact),
        abi=_abi(sierra),
        constructor_args=list(arguments),
        auto_estimate=True,
    )
    await deployed.wait_for_acceptance(check_interval=0.1)
    return int(deployed.deployed_contract.address)


def _abi(sierra: str) -> Any:
    told = json.loads(sierra)["abi"]
    return json.loads(told) if isinstance(told, str) else told


async def _declare(owner: Account, artifact: Path, sierra: str) -> None:
    """Declare the class, unless the chain has it."""
    try:
        await owner.client.get_class_by_hash(class_hash(artifact))
    except ClientError:
        hashes = json.loads(artifact.with_suffix(".hashes.json").read_text())
        declared: DeclareResult = await Contract.declare_v3(
            account=owner,
            compiled_contract=sierra,
            compiled_class_hash=int(hashes["compiled_class_hash"], 16),
            auto_estimate=True,
        )
        await declared.wait_for_acceptance(check_interval=0.1)


async def invoke(node: Devnet, account: int, *calls: tuple[int, str, list[int]]) -> None:
    """One transaction of calls (address, function, calldata in felts), by starknet_py alone."""
    owner = plain_account(node, account)
    made = [Call(to, get_selector_from_name(name), calldata) for to, name, calldata in calls]
    sent = await owner.execute_v3(calls=made, auto_estimate=True)
    await owner.client.wait_for_tx(sent.transaction_hash, check_interval=0.1)


class Seats:
    """Senders of a chain's test accounts, by number, each with an outbox in `folder`."""

    def __init__(self, node: Devnet, folder: Path) -> None:
        self.node, self._folder = node, folder
        self.endpoints = Endpoints([node.url])
        self._outboxes: list[Outbox] = []

    def sender(self, number: int) -> Sender:
        """The account's sender; one each."""
        owner = self.node.accounts[number]
        outbox = Outbox(self._folder / f"outbox-{number}-{len(self._outboxes)}.sqlite")
        self._outboxes.append(outbox)
        key = Key(owner.private_key)
        return Sender(self.endpoints, outbox, owner.address, key, max_fee_fri=MAX_FEE_FRI, pace=PACE)

    async def close(self) -> None:
        """Let go of connections and files."""
        await self.endpoints.close()
        for outbox in self._outboxes:
            outbox.close()
