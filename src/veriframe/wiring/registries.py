"""The embedded job registry, and facts about the configured one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from veriframe.adapters.local_registry import WALLET_FRI, LocalRegistry
from veriframe.errors import SettingsError
from veriframe.ports.registry import Funds, RegistryFacts
from veriframe.settings import Settings

NEW_ACCOUNT_FRI = WALLET_FRI
"""The play money of a new account of the embedded registry."""


def embedded(
    settings: Settings, account: str, on_new_account: Callable[[str], None] = lambda name: None
) -> LocalRegistry:
    """The embedded job registry for one account. `on_new_account` hears of it if it is new there."""
    return LocalRegistry(file(settings), account, on_new_account=on_new_account)


async def accounts(settings: Settings) -> Sequence[tuple[str, Funds]]:
    """The embedded registry's accounts by name, with their money. Makes none, and no file."""
    return await reader(settings, "reader").accounts() if file(settings).exists() else ()


async def in_escrow(settings: Settings) -> Mapping[str, int]:
    """What is in escrow of each account of the embedded registry, in fri, by name. Makes no file."""
    return await reader(settings, "reader").in_escrow() if file(settings).exists() else {}


def reader(settings: Settings, account: str) -> LocalRegistry:
    """The embedded job registry as this account sees it, whether or not it is registered there.

    Raises `SettingsError` if there is none: reading makes no registry, whose home may be misspelt.
    """
    if not file(settings).exists():
        raise SettingsError(
            f"There is no registry in {settings.home}. `veriframe job create` makes one there, and so does"
            " `veriframe worker`; if you have one elsewhere, pass its --home."
        )
    return LocalRegistry(file(settings), account, registers=False)


def file(settings: Settings) -> Path:
    """The file of the embedded registry."""
    return settings.home / "registry.sqlite"


async def registry_facts(settings: Settings) -> RegistryFacts:
    """Facts about the configured registry, without an account.

    Raises `RegistryUnavailable`, and `SettingsError` as `reader`.
    """
    if settings.registry == "starknet":
        # Imported here because it takes half a second, and most commands do not need it.
        from veriframe.wiring import chain  # noqa: PLC0415

        return await chain.registry_facts(settings)
    registry = reader(settings, "reader")
    totals = await registry.totals()
    return RegistryFacts(
        kind="embedded",
        place=str(file(settings)),
        jobs=(await registry.snapshot(1, 0)).job_counter,
        held_fri=totals.token_fri,
        totals=totals,
    )
