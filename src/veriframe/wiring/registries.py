"""The job registry that the settings name, embedded or on StarkNet, as one account sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol, TypeGuard

from veriframe.adapters.local_registry import LocalRegistry
from veriframe.ports.registry import CreatorRegistry, JobRegistry, RegistryFacts, Treasury
from veriframe.settings import Settings

if TYPE_CHECKING:
    from veriframe.adapters.starknet.account.keystore import Key
    from veriframe.adapters.starknet.foreign.registry import ForeignRegistry


class Registry(JobRegistry, Treasury, Protocol):
    """What any registry is to its worker: moves, and the money for bonds."""


class FullRegistry(Registry, CreatorRegistry, Protocol):
    """What our own registries are: for the creator too."""


def embedded(settings: Settings, account: str) -> LocalRegistry:
    """The embedded job registry, as one account sees it."""
    return LocalRegistry(settings.home / "registry.sqlite", account)


async def open_starknet(
    settings: Settings, key: Key | None
) -> tuple[Registry, Callable[[], Awaitable[None]]]:
    """The contract at job_registry_address by the account of `key`, and what closes it.

    Without a key the account is devnet's number `devnet_account`. What an earlier run had begun to send is
    brought to its end first. Raises `SettingsError`, `RegistryUnavailable`.
    """
    # Here, since it takes half a second to import, and most commands do without.
    from veriframe.wiring import chain  # noqa: PLC0415

    return await chain.open_registry(settings, key)


async def registry_facts(settings: Settings) -> RegistryFacts:
    """What the registry of the settings is; no account is needed. Raises `RegistryUnavailable`."""
    if settings.registry == "starknet":
        from veriframe.wiring import chain  # noqa: PLC0415 - half a second

        return await chain.registry_facts(settings)
    reader = embedded(settings, "reader")
    totals = await reader.totals()
    return RegistryFacts(
        kind="embedded",
        place=str(settings.home / "registry.sqlite"),
        jobs=await reader.job_counter(),
        held_fri=totals.token_fri,
        totals=totals,
    )


def knows_workers(opened: object) -> TypeGuard[ForeignRegistry]:
    """Whether a registry may want its workers registered; our own kinds take anyone."""
    return hasattr(opened, "standing")


def is_full(opened: Registry) -> TypeGuard[FullRegistry]:
    """Whether a registry serves creators too."""
    return hasattr(opened, "create_order")
