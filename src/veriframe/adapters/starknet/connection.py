"""Connects nodes, an account and a contract to a registry. The contract's class decides its kind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from veriframe.adapters.starknet.account.accounts import counterfactual_address
from veriframe.adapters.starknet.account.keystore import Key
from veriframe.adapters.starknet.contract.contract import Contract
from veriframe.adapters.starknet.foreign import creator_functions as creators
from veriframe.adapters.starknet.foreign.move_records import MoveRecords
from veriframe.adapters.starknet.foreign.reader import ForeignReader
from veriframe.adapters.starknet.foreign.registry import ForeignRegistry
from veriframe.adapters.starknet.job_registry.reader import StarknetReader
from veriframe.adapters.starknet.job_registry.registry import StarknetRegistry
from veriframe.adapters.starknet.opening import open_registry, read_class_hashes
from veriframe.adapters.starknet.rpc.endpoints import Endpoints
from veriframe.adapters.starknet.rpc.envelope import RpcError
from veriframe.adapters.starknet.transactions.outbox import Outbox
from veriframe.adapters.starknet.transactions.sender import Sender
from veriframe.adapters.starknet.trust import learned_chain
from veriframe.adapters.starknet.trust.head_clock import HeadClock
from veriframe.adapters.starknet.trust.learned_chain import NO_CHAIN, Expected, LearnedChain
from veriframe.adapters.starknet.trust.trust import Trust
from veriframe.errors import RegistryUnavailable, SettingsError
from veriframe.model.registry.job import NOBODY, Address

CLASSES = Path(__file__).parent / "job_registry" / "classes"
"""The folder with our contract's artefacts and the class hashes of its builds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The chain and the account. `account` is an address; None: the one that follows from the key.

    Transactions are signed only for `chain`. If it is not known, it is learned from the nodes.
    """

    urls: Sequence[str]
    token: int
    max_fee_fri: int
    account: int | None
    devnet_account: int | None
    outbox_folder: Path
    chain: Expected = NO_CHAIN
    clock_skew_seconds: float = 0
    gather_seconds: float = 0


@dataclass(frozen=True, slots=True)
class ConnectedAccount:
    """An account on a chain, ready to send transactions."""

    nodes: Endpoints
    sender: Sender
    outbox: Outbox

    async def close(self) -> None:
        """Closes connections and files."""
        await self.nodes.close()
        self.outbox.close()


async def join(
    network: Network, registry: int, key: Key | None
) -> tuple[StarknetRegistry | ForeignRegistry, Callable[[], Awaitable[None]]]:
    """Returns the registry at an address and a function that closes it.

    Raises `SettingsError`, `RegistryUnavailable`.
    """
    connected = await connect_account(network, key)
    try:
        finished = await connected.sender.recover()
        ours = read_class_hashes(CLASSES)
        trust = Trust(HeadClock(network.clock_skew_seconds), connected.nodes)
        opened = await open_registry(
            connected.nodes,
            connected.sender,
            registry,
            token=network.token,
            class_hashes=ours,
            folder=network.outbox_folder,
            max_fee_fri=network.max_fee_fri,
            trust=trust,
            gather_seconds=network.gather_seconds,
        )
        # Only now: the contract exists there, so this is the intended chain.
        trust.learned = _learned(network.outbox_folder, registry, await connected.nodes.chain_id())
        if isinstance(opened, ForeignRegistry):
            opened.settle(finished)
    except BaseException:
        await connected.close()
        raise
    return opened, connected.close


async def open_reader(
    network: Network, registry: int
) -> tuple[StarknetReader | ForeignReader, Address, Callable[[], Awaitable[None]]]:
    """Opens the registry at an address for reading alone: no key, no outbox, nothing is ever signed.

    Also returns the account's address, `NOBODY` if it is not known, and a function that closes it. Raises as
    `join` does.
    """
    nodes = Endpoints(network.urls, chain_id=network.chain.chain_id)
    try:
        await agree_on_chain(nodes, network.chain)
        account = await _known_account(nodes, network)
        if await _is_ours(nodes, registry):
            ours = StarknetReader(nodes, registry, token=network.token, account=account, witnesses=nodes)
            return ours, account, nodes.close
        # As nobody: eligibility and records are a worker's.
        records = MoveRecords(network.outbox_folder, registry, NOBODY)
        foreign = ForeignReader(nodes, registry, NOBODY, records, nodes)
        await foreign.dialect()
    except BaseException:
        await nodes.close()
        raise
    return foreign, account, nodes.close


async def creator_functions(network: Network, registry: int) -> Mapping[str, str] | None:
    """The functions that a foreign registry has for creators, by our commands; None if it is our own.

    Raises as `join` does.
    """
    nodes = Endpoints(network.urls, chain_id=network.chain.chain_id)
    try:
        await agree_on_chain(nodes, network.chain)
        is_ours = await _is_ours(nodes, registry)
        return None if is_ours else creators.creator_functions(await Contract(nodes, registry).abi())
    finally:
        await nodes.close()


async def _is_ours(nodes: Endpoints, registry: int) -> bool:
    return await Contract(nodes, registry).class_hash() in read_class_hashes(CLASSES)


def _learned(home: Path, registry: int, chain_id: int) -> LearnedChain:
    return learned_chain.read(home, registry) or learned_chain.learn(home, registry, chain_id)


async def connect_account(network: Network, key: Key | None) -> ConnectedAccount:
    """Connects the account that the network names. It has sent nothing yet.

    Raises `SettingsError`, `RegistryUnavailable`.
    """
    nodes = Endpoints(network.urls, chain_id=network.chain.chain_id)
    try:
        await agree_on_chain(nodes, network.chain)
        address, signer = await _account(nodes, network, key)
        network.outbox_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        outbox = await asyncio.to_thread(Outbox, network.outbox_folder / f"outbox-{address:x}.sqlite")
    except BaseException:
        await nodes.close()
        raise
    return ConnectedAccount(
        nodes, Sender(nodes, outbox, address, signer, max_fee_fri=network.max_fee_fri), outbox
    )


async def agree_on_chain(nodes: Endpoints, expected: Expected) -> None:
    """Checks that the nodes serve the expected chain or, if none is expected, the same chain.

    Raises `SettingsError`, `RegistryUnavailable`.
    """
    try:
        await nodes.call("starknet_chainId")
    except RegistryUnavailable:
        if len(nodes.dropped) == len(nodes.names):
            raise learned_chain.mismatch(min(nodes.dropped.values()), expected) from None
        raise
    if expected.chain_id is None and nodes.dropped:
        raise SettingsError(
            "The nodes of STARKNET_RPC serve different chains. Set chain_id to the intended one, or"
            f" remove {', '.join(nodes.dropped)}."
        )


async def _known_account(nodes: Endpoints, network: Network) -> Address:
    if network.devnet_account is not None:
        return Address((await _devnet_account(nodes, network.devnet_account))[0])
    return Address(network.account or NOBODY)


async def _account(nodes: Endpoints, network: Network, key: Key | None) -> tuple[int, Key]:
    if network.devnet_account is not None:
        return await _devnet_account(nodes, network.devnet_account)
    if key is None:
        raise SettingsError("The account has no key. Set keystore; see docs/keys.md.")
    return network.account or counterfactual_address(key.public_key), key


async def _devnet_account(nodes: Endpoints, number: int) -> tuple[int, Key]:
    try:
        accounts = await nodes.call("devnet_getPredeployedAccounts")
        chosen = accounts[number]
        return int(chosen["address"], 16), Key(int(chosen["private_key"], 16))
    except (RpcError, LookupError, TypeError, ValueError) as error:
        raise SettingsError(
            f"The node has no public account {number}: devnet_account is only for"
            " starknet-devnet. Set keystore instead."
        ) from error
