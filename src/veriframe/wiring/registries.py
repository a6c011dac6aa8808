"""Opens the configured job registry, embedded or on StarkNet, for one account."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol, TypeGuard

from veriframe.adapters.local_registry import LocalRegistry
from veriframe.ports.registry import CreatorRegistry, RegistryFacts, WorkerRegistry
from veriframe.settings import Settings

if TYPE_CHECKING:
    from veriframe.adapters.starknet.account.keystore import Key
    from veriframe.adapters.starknet.foreign.registry import ForeignRegistry


class FullRegistry(WorkerRegistry, CreatorRegistry, Protocol):
    """A registry for workers and creators, as our own kinds are."""


def embedded(settings: Settings, account: str) -> LocalRegistry:
    """The embedded job registry for one account."""
    return LocalRegistry(settings.home / "registry.sqlite", account)


async def open_starknet(
    settings: Settings, key: Key | None
) -> tuple[WorkerRegistry, Callable[[], Awaitable[None]]]:
    """Open the contract at job_registry_address for the account of `key`. Also returns its close function.

    Without a key the account is devnet's number `devnet_account`. First settles transactions that an earlier
    run had started to send. Raises `SettingsError`, `RegistryUnavailable`.
    """
    # Imported here because it takes half a second, and most commands do not need it.
    from veriframe.wiring import chain  # noqa: PLC0415

    return await chain.open_registry(settings, key)


async def registry_facts(settings: Settings) -> RegistryFacts:
    """Facts about the configured registry, without an account. Raises `RegistryUnavailable`."""
    if settings.registry == "starknet":
        from veriframe.wiring import chain  # noqa: PLC0415 - half a second

        return await chain.registry_facts(settings)
    reader = embedded(settings, "reader")
    totals = await reader.totals()
    return RegistryFacts(
        kind="embedded",
        place=str(settings.home / "registry.sqlite"),
        jobs=(await reader.snapshot(1, 0)).job_counter,
        held_fri=totals.token_fri,
        totals=totals,
    )


def knows_workers(opened: object) -> TypeGuard[ForeignRegistry]:
    """Whether a registry may require its workers to register; our own kinds do not."""
    return hasattr(opened, "standing")


def is_full(opened: WorkerRegistry) -> TypeGuard[FullRegistry]:
    """Whether a registry serves creators too."""
    return hasattr(opened, "create_order")
