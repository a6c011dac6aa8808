"""Wires the parts for StarkNet. The import takes half a second, so import it only if a chain is used."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from veriframe.adapters.starknet import connection
from veriframe.adapters.starknet.account import known_addresses
from veriframe.adapters.starknet.account.keystore import Key
from veriframe.adapters.starknet.facts import read_facts
from veriframe.adapters.starknet.foreign.reader import ForeignReader
from veriframe.adapters.starknet.foreign.registry import ForeignRegistry
from veriframe.adapters.starknet.job_registry import deployer
from veriframe.adapters.starknet.job_registry.deployer import Deployed, Deployer, DeploymentPlan
from veriframe.adapters.starknet.opening import read_class_hashes
from veriframe.adapters.starknet.rpc.endpoints import Endpoints
from veriframe.adapters.starknet.trust.head_clock import SKEW_SECONDS
from veriframe.adapters.starknet.trust.learned_chain import Expected, expect
from veriframe.model.registry.chain import parse_chain_id
from veriframe.ports.registry import OpenedReader, OpenedRegistry, RegistryFacts
from veriframe.settings import Settings, to_fri

__all__ = [
    "Deployed",
    "Deployer",
    "DeploymentPlan",
    "creator_functions",
    "expected_chain",
    "open_deployer",
    "open_reader",
    "open_registry",
    "registry_facts",
    "skew_seconds",
]

Close = Callable[[], Awaitable[None]]


async def open_registry(settings: Settings, key: Key | None) -> tuple[OpenedRegistry, Close]:
    """Open the contract at job_registry_address for the account of `key`. Also returns its close function.

    Without a key the account is devnet's number `devnet_account`. First settles transactions that an earlier
    run had started to send. Raises `SettingsError`, `RegistryUnavailable`.
    """
    network = _network(settings, to_fri(settings.max_fee_strk))
    registry, close = await connection.join(network, settings.job_registry_address or 0, key)
    facts = registry.trust.facts
    if key is not None and settings.keystore is not None and settings.account_address is None:
        known_addresses.note(settings.home, settings.keystore.expanduser(), registry.account)
    if isinstance(registry, ForeignRegistry):
        return OpenedRegistry(worker=registry, membership=registry, chain_facts=facts), close
    return OpenedRegistry(worker=registry, creator=registry, chain_facts=facts), close


async def open_reader(settings: Settings) -> tuple[OpenedReader, Close]:
    """Open the contract at job_registry_address for reading alone. Also returns its close function.

    No key is needed. The account is known by account_address, by devnet_account, or since its keystore was
    unlocked once. Raises `SettingsError`, `RegistryUnavailable`.
    """
    network = _network(settings, 0)
    if network.account is None and settings.keystore is not None:
        known = known_addresses.read(settings.home, settings.keystore.expanduser())
        network = replace(network, account=known or None)
    jobs, account, close = await connection.open_reader(network, settings.job_registry_address or 0)
    return OpenedReader(jobs=jobs, account=account, is_foreign=isinstance(jobs, ForeignReader)), close


async def creator_functions(settings: Settings) -> Mapping[str, str] | None:
    """By command, the functions that a registry of another maker has for creators; None if it is our own.

    Needs no key. Raises `SettingsError`, `RegistryUnavailable`.
    """
    return await connection.creator_functions(_network(settings, 0), settings.job_registry_address or 0)


async def open_deployer(
    settings: Settings, key: Key | None, *, salt: int | None, max_fee_fri: int
) -> tuple[Deployer, Close]:
    """Open a deployer of our contract for the chain of starknet_rpc, starknet_token and the account of `key`.

    `max_fee_fri` is the most that one transaction may cost. Without a `salt` it deploys the chain's usual
    registry for this token. Raises `SettingsError`, `RegistryUnavailable`.
    """
    built = deployer.read_built(connection.CLASSES)
    connected = await connection.connect_account(_network(settings, max_fee_fri), key)
    chosen = deployer.SALT if salt is None else salt
    return Deployer(
        connected.nodes, connected.sender, built, token=settings.starknet_token, salt=chosen
    ), connected.close


async def registry_facts(settings: Settings) -> RegistryFacts:
    """Facts about the contract at job_registry_address, without an account. Raises `RegistryUnavailable`."""
    chain = expected_chain(settings)
    nodes = Endpoints(settings.starknet_rpc, chain_id=chain.chain_id)
    try:
        await connection.agree_on_chain(nodes, chain)
        ours = read_class_hashes(connection.CLASSES)
        return await read_facts(
            nodes, settings.job_registry_address or 0, token=settings.starknet_token, class_hashes=ours
        )
    finally:
        await nodes.close()


def _network(settings: Settings, max_fee_fri: int) -> connection.Network:
    return connection.Network(
        urls=settings.starknet_rpc,
        token=settings.starknet_token,
        max_fee_fri=max_fee_fri,
        account=settings.account_address,
        devnet_account=settings.devnet_account,
        outbox_folder=settings.home,
        chain=expected_chain(settings),
        clock_skew_seconds=skew_seconds(settings),
        gather_seconds=settings.gather_seconds,
    )


def expected_chain(settings: Settings) -> Expected:
    """The only chain to sign for, as far as it is known. Raises `SettingsError`."""
    named = None if settings.chain_id is None else parse_chain_id(settings.chain_id)
    return expect(settings.home, settings.job_registry_address, named)


def skew_seconds(settings: Settings) -> float:
    """The largest difference between the chain's time and this machine's clock; 0: not checked."""
    if settings.clock_skew_seconds is not None:
        return settings.clock_skew_seconds
    # A development chain's clock stands still between blocks, and developers set it.
    return SKEW_SECONDS if settings.devnet_account is None else 0
