"""Opens the configured registry, with the account's key if one is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from veriframe.cli import context, password
from veriframe.errors import SettingsError
from veriframe.ports.registry import FullRegistry, OpenedRegistry
from veriframe.settings import Settings
from veriframe.wiring import registries

if TYPE_CHECKING:
    from veriframe.wiring.keys import Key


def open_registry(default_account: str) -> OpenedRegistry:
    """Open the registry for the acting account. It is closed when the command ends.

    Raises `SettingsError` if the key is missing or cannot be unlocked, and `RegistryUnavailable`.
    """
    settings = context.current().settings
    if settings.registry != "starknet":
        embedded = registries.embedded(settings, context.account(default_account))
        return OpenedRegistry(worker=embedded, creator=embedded)
    # Imported here because it takes half a second, and most commands do not need it.
    from veriframe.wiring import chain  # noqa: PLC0415

    opened, close = context.run(chain.open_registry(settings, account_key(settings)))
    context.at_end(close)
    return opened


def open_creator_registry(default_account: str) -> FullRegistry:
    """Open the registry for a creator. Raises `SettingsError` if it is not of VeriFrame's own class."""
    creator = open_registry(default_account).creator
    if creator is None:
        raise SettingsError(
            "The registry at JOB_REGISTRY_ADDRESS is of another kind: workers can serve it, but posting jobs "
            "needs its own tools. To post here, set the address of a registry of VeriFrame's own class."
        )
    return creator


def account_key(settings: Settings) -> Key | None:
    """The key in the keystore, or None if a devnet account is used instead. Raises `SettingsError`."""
    if settings.devnet_account is not None:
        return None
    if settings.keystore is None:
        raise SettingsError(
            "StarkNet needs an account. Set keystore to its encrypted key (docs/keys.md), or set "
            "devnet_account on a development chain."
        )
    return password.unlock(settings.keystore.expanduser())
