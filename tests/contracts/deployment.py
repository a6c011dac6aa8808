"""Contracts on a devnet, for tests: accounts that sign, and classes declared from stored artefacts."""

from __future__ import annotations

import functools
import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import lark
from starknet_py.abi.v2 import parser_transformer
from starknet_py.contract import Contract
from starknet_py.hash.selector import get_selector_from_name
from starknet_py.net.account.account import Account
from starknet_py.net.client_models import Call
from starknet_py.net.full_node_client import FullNodeClient
from starknet_py.net.models.chains import StarknetChainId
from starknet_py.net.signer.key_pair import KeyPair
from starknet_py.net.udc_deployer.deployer import Deployer
from tests.nodes import STRK_ADDRESS, Devnet, TestAccount

# The library rebuilds its grammar for each of the hundreds of types in an ABI: ten seconds a contract.
parser_transformer.lark = SimpleNamespace(Lark=functools.cache(lark.Lark))  # type: ignore[assignment, attr-defined]

ARTIFACTS = Path(__file__).parent / "artifacts"
MAIN_ARTIFACTS = Path(__file__).parents[2] / "contracts" / "artifacts"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A compiled contract, as `declare` needs it."""

    sierra: str
    class_hash: int
    compiled_class_hash: int


def load(name: str, folder: Path = ARTIFACTS) -> Artifact:
    """Reads the stored artefact of NAME.cairo. Raises OSError if it was never built."""
    hashes = json.loads((folder / f"{name}.hashes.json").read_text())
    sierra = gzip.decompress((folder / f"{name}.sierra.json.gz").read_bytes()).decode()
    return Artifact(sierra, int(hashes["class_hash"], 16), int(hashes["compiled_class_hash"], 16))


def signer(node: Devnet, account: TestAccount) -> Account:
    """Returns the account as starknet_py uses it."""
    return Account(
        address=account.address,
        client=FullNodeClient(node.url),
        key_pair=KeyPair.from_private_key(account.private_key),
        chain=StarknetChainId.SEPOLIA,
    )


async def declare(account: Account, artifact: Artifact) -> None:
    """Declares the class if it is new: another test on the same devnet may have declared it."""
    try:
        await account.client.get_class_by_hash(class_hash=artifact.class_hash)
    except Exception:  # noqa: BLE001 - absent, whatever the error; declaring reports what is wrong
        declared = await Contract.declare_v3(
            account, artifact.sierra, compiled_class_hash=artifact.compiled_class_hash, auto_estimate=True
        )
        await declared.wait_for_acceptance(check_interval=0.05)
        assert declared.class_hash == artifact.class_hash


async def deploy(account: Account, artifact: Artifact, *arguments: int) -> Contract:
    """Deploys an instance of the class; each constructor argument is one felt."""
    address = await deploy_bare(account, artifact, *arguments)
    return Contract(address, json.loads(artifact.sierra)["abi"], account, cairo_version=1)


async def deploy_bare(account: Account, artifact: Artifact, *felts: int) -> int:
    """Deploys an instance and returns its address. Declares the class if it is new."""
    await declare(account, artifact)
    made = Deployer().create_contract_deployment_raw(artifact.class_hash, raw_calldata=list(felts))
    sent = await account.execute_v3(made.call, auto_estimate=True)
    await account.client.wait_for_tx(sent.transaction_hash, check_interval=0.05)
    return made.address


def seen_by(contract: Contract, account: Account) -> Contract:
    """Returns the same contract, called by another account."""
    return Contract(contract.address, contract.data.abi, account, cairo_version=1)


async def move(contract: Contract, name: str, *arguments: object) -> None:
    """Calls an external function and waits until it is in a block. Raises if it reverts."""
    sent = await contract.functions[name].invoke_v3(*arguments, auto_estimate=True)
    await sent.wait_for_acceptance(check_interval=0.05)


async def view(contract: Contract, name: str, *arguments: object) -> object:
    """Calls a view and returns its first output, decoded."""
    return (await contract.functions[name].call(*arguments))[0]


async def approve(account: Account, spender: int, amount_fri: int) -> None:
    """Allows a contract to take STRK from the account."""
    call = Call(STRK_ADDRESS, get_selector_from_name("approve"), [spender, amount_fri, 0])
    sent = await account.execute_v3(call, auto_estimate=True)
    await account.client.wait_for_tx(sent.transaction_hash, check_interval=0.05)


async def balance(account: Account, address: int) -> int:
    """Returns the STRK of an address, in fri."""
    call = Call(STRK_ADDRESS, get_selector_from_name("balanceOf"), [address])
    low, high = await account.client.call_contract(call)
    return low + (high << 128)
