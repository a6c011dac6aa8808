"""Opening the registry that the settings name, with the account's key where one is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from veriframe.cli import context, password
from veriframe.errors import SettingsError
from veriframe.settings import Settings
from veriframe.wiring import registries

if TYPE_CHECKING:
    from veriframe.wiring.keys import Key


def open_registry(default_account: str) -> registries.Registry:
    """The registry as the acting account sees it, closed when the command has ended.

    Raises `SettingsError` where a key is missing or does not open, `RegistryUnavailable`.
    """
    settings = context.current().settings
    if settings.registry != "starknet":
        return registries.embedded(settings, context.account(default_account))
    opened, close = context.run(registries.open_starknet(settings, account_key(settings)))
    context.at_end(close)
    return opened


def open_desk(default_account: str) -> registries.FullRegistry:
    """The same for a creator. Raises `SettingsError` where the registry is not of our own kind."""
    opened = open_registry(default_account)
    if not registries.is_full(opened):
        raise SettingsError(
            "The registry at JOB_REGISTRY_ADDRESS is of another kind: workers can serve it, but jobs are "
            "posted with its own tools. Name a registry of VeriFrame's own class to post here."
        )
    return opened


def account_key(settings: Settings) -> Key | None:
    """The key in the keystore; none where a devnet account is used instead. Raises `SettingsError`."""
    if settings.devnet_account is not None:
        return None
    if settings.keystore is None:
        raise SettingsError(
            "On StarkNet an account is needed. Set keystore to its encrypted key (docs/keys.md), or "
            "devnet_account on a development chain."
        )
    return password.unlock(settings.keystore.expanduser())
