"""Deploys our contract to a chain: declares its class, deploys one instance, and verifies both.

The address follows from class, token and salt, whichever account deploys. So existing parts are found and not
paid again, and an interrupted run continues where it stopped.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from starknet_py.common import create_sierra_compiled_contract
from starknet_py.constants import DEFAULT_DEPLOYER_ADDRESS
from starknet_py.hash.address import compute_address

from veriframe.adapters.starknet.account.deployment import STRK_ADDRESS
from veriframe.adapters.starknet.contract.contract import CONTRACT_NOT_FOUND, TOKEN_ABI, Contract
from veriframe.adapters.starknet.rpc.endpoints import Endpoints, RpcError
from veriframe.adapters.starknet.transactions.fees import FeeBounds, FeeTooHigh, with_margin
from veriframe.adapters.starknet.transactions.receipt import Receipt, Reverted
from veriframe.adapters.starknet.transactions.sender import Sender
from veriframe.adapters.starknet.transactions.transaction import Action, Call, Declare, Invoke, encode_calls
from veriframe.errors import MoveRefused, RegistryUnavailable, SettingsError
from veriframe.model.quantities import brief_strk, format_strk
from veriframe.model.registry.job import Address, format_address

log = structlog.get_logger()

UNIVERSAL_DEPLOYER = int(DEFAULT_DEPLOYER_ADDRESS, 16)
"""OpenZeppelin's Universal Deployer Contract, release 2: at this address on every chain, also on devnet."""
SALT = 0
"""The default salt: a chain has one registry for each class and token."""

_CLASS_NOT_FOUND = 28


@dataclass(frozen=True, slots=True)
class Built:
    """Our compiled contract."""

    class_hash: int
    declare: Declare


def read_built(folder: Path, name: str = "job_registry") -> Built:
    """Reads the class in a folder of artefacts. Raises `SettingsError`."""
    try:
        hashes = json.loads((folder / f"{name}.hashes.json").read_text())
        sierra = gzip.decompress((folder / f"{name}.sierra.json.gz").read_bytes()).decode()
        # Nodes take the ABI as one text, and its spaces are part of the class hash.
        declared = json.loads(sierra) | {"abi": create_sierra_compiled_contract(sierra).abi}
        return Built(int(hashes["class_hash"], 16), Declare(declared, int(hashes["compiled_class_hash"], 16)))
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"The contract in {folder} cannot be read. Install VeriFrame again.") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentPlan:
    """What is deployed and what is missing. `cost_fri` is the most that the missing steps may cost."""

    chain_id: int
    account: Address
    address: Address
    class_hash: int
    token: Address
    is_declared: bool
    is_deployed: bool
    cost_fri: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """A deployed contract and the receipts of its two transactions; None for a step that was done before."""

    address: Address
    class_hash: int
    token: Address
    declared: Receipt | None
    deployed: Receipt | None


class Deployer:
    """Deploys a registry for `token` to the chain of `nodes`, paid by the account of `sender`."""

    def __init__(self, nodes: Endpoints, sender: Sender, built: Built, *, token: int, salt: int) -> None:
        self._nodes, self._sender, self._built = nodes, sender, built
        self._token, self._salt = Address(token), salt
        self._address = Address(
            compute_address(class_hash=built.class_hash, constructor_calldata=[token], salt=salt)
        )
        # Not “unique” to its deployer: the address is the same whichever account pays.
        call = [built.class_hash, salt, 0, 1, token]
        self._calls = [Call.named(UNIVERSAL_DEPLOYER, "deployContract", call)]
        self._labels = (f"declare_class {built.class_hash:#x}", f"deploy_registry {self._address:#x}")
        self._earlier: dict[str, Receipt] = {}

    async def plan(self) -> DeploymentPlan:
        """Finds what is missing and what it may cost. First finishes what an earlier run started.

        Raises `MoveRefused` if account, class or token do not allow it, `FeeTooHigh`,
        `RegistryUnavailable`.
        """
        ended = await self._sender.recover()
        self._earlier = {receipt.label: receipt for receipt in ended if not receipt.revert_reason}
        is_deployed = await self._is_deployed(self._address)
        is_declared = is_deployed or await self._is_declared()
        bounds: Sequence[FeeBounds] = ()
        if not is_deployed:
            await self._require_parts()
            bounds = await self._price(is_declared=is_declared)
            await self._require_money(sum(one.cost_fri for one in bounds))
        return DeploymentPlan(
            chain_id=await self._nodes.chain_id(),
            account=Address(self._sender.account),
            address=self._address,
            class_hash=self._built.class_hash,
            token=self._token,
            is_declared=is_declared,
            is_deployed=is_deployed,
            cost_fri=sum(one.cost_fri for one in bounds),
        )

    async def carry_out(self, plan: DeploymentPlan) -> Deployed:
        """Does what is missing, waits for accepted blocks, and verifies that the contract is ours.

        Raises `MoveRefused`, `RegistryUnavailable`; the command may be repeated.
        """
        declared, deployed = (self._earlier.get(label) for label in self._labels)
        if not plan.is_declared:
            declared = await self._declare()
        if not plan.is_deployed:
            deployed = await self._deploy()
        await self._check()
        return Deployed(
            address=self._address,
            class_hash=self._built.class_hash,
            token=self._token,
            declared=declared,
            deployed=deployed,
        )

    async def _declare(self) -> Receipt | None:
        try:
            receipt = await self._sender.declare(self._built.declare, self._labels[0])
        except MoveRefused:
            if await self._is_declared():
                return None  # Another account was faster: a class is declared once for a chain.
            raise
        log.info(
            "class_declared", class_hash=f"{self._built.class_hash:#x}", transaction=f"{receipt.hash:#x}"
        )
        return receipt

    async def _deploy(self) -> Receipt | None:
        try:
            receipt = await self._sender.send(self._calls, self._labels[1])
        except MoveRefused as error:
            if await self._is_deployed(self._address):
                return None
            raise (_refused(error) if isinstance(error, Reverted) else error) from error
        log.info("registry_deployed", address=format_address(self._address), transaction=f"{receipt.hash:#x}")
        return receipt

    async def _price(self, *, is_declared: bool) -> Sequence[FeeBounds]:
        """What each missing step may cost. Raises `FeeTooHigh` with the step and the remedy."""
        steps: list[tuple[str, Action]] = [("Deploying the contract", Invoke(encode_calls(self._calls)))]
        if not is_declared:
            steps.insert(0, ("Declaring the class", self._built.declare))
        try:
            estimates = await self._sender.estimate([act for _, act in steps])
        except Reverted as error:
            raise _refused(error) from error
        return [self._bounded(name, one) for (name, _), one in zip(steps, estimates, strict=True)]

    def _bounded(self, name: str, estimate: FeeBounds) -> FeeBounds:
        limit_fri = self._sender.max_fee_fri
        try:
            return with_margin(estimate, limit_fri)
        except FeeTooHigh as error:
            raise FeeTooHigh(
                f"{name} is estimated at {brief_strk(estimate.cost_fri)} and may cost up to"
                f" {brief_strk(error.cost_fri)}, over the limit of {format_strk(limit_fri)}. Raise the limit"
                " with --max-fee STRK or max_deploy_fee_strk, or wait until fees fall.",
                error.cost_fri,
            ) from error

    async def _require_parts(self) -> None:
        """Checks what the contract needs on the chain: the deployer, and the token for payments."""
        if not await self._is_deployed(Address(UNIVERSAL_DEPLOYER)):
            raise MoveRefused(
                "NO_DEPLOYER",
                f"This chain has no Universal Deployer Contract at {UNIVERSAL_DEPLOYER:#x}. Choose another.",
            )
        if not await self._is_deployed(self._token):
            raise MoveRefused(
                "NO_TOKEN",
                f"There is no token at {format_address(self._token)} on this chain. Set starknet_token to"
                " the token that pays for jobs.",
            )

    async def _require_money(self, cost_fri: int) -> None:
        strk = Contract(self._nodes, STRK_ADDRESS, TOKEN_ABI)
        held_fri = await strk.view("balance_of", self._sender.account)
        if isinstance(held_fri, int) and held_fri < cost_fri:
            raise MoveRefused(
                "BALANCE",
                f"Deploying may cost up to {format_strk(cost_fri)}, but the account"
                f" {format_address(Address(self._sender.account))} holds {format_strk(held_fri)}."
                " Send STRK there first.",
            )

    async def _is_declared(self) -> bool:
        params = {"block_id": "latest", "class_hash": hex(self._built.class_hash)}
        return await self._is_known("starknet_getClass", params, _CLASS_NOT_FOUND)

    async def _is_deployed(self, address: Address) -> bool:
        params = {"block_id": "latest", "contract_address": hex(address)}
        return await self._is_known("starknet_getClassHashAt", params, CONTRACT_NOT_FOUND)

    async def _is_known(self, method: str, params: dict[str, str], absent: int) -> bool:
        try:
            await self._nodes.call(method, params)
        except RpcError as error:
            if error.code == absent:
                return False
            raise RegistryUnavailable(f"The StarkNet node does not answer {method}: {error}") from error
        return True

    async def _check(self) -> None:
        """Checks that the node shows our contract at the address."""
        contract = Contract(self._nodes, self._address)
        found, token = await contract.class_hash(), await contract.view("get_token")
        if (found, token) != (self._built.class_hash, self._token):
            raise RegistryUnavailable(
                f"At {format_address(self._address)} the node shows the class {found:#x} with the token"
                f" {token if isinstance(token, int) else 0:#x}, which was not deployed. Do not use it; try"
                " another node in STARKNET_RPC."
            )


def _refused(error: Reverted) -> MoveRefused:
    paid = f" That cost {format_strk(error.fee_fri)}." if error.fee_fri else ""
    return MoveRefused("DEPLOY", f"The chain does not accept the contract: {error.reason}.{paid}")
