"""Opens the configured registry, with the account's key if one is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from veriframe.cli import context, password
from veriframe.cli.display import show
from veriframe.errors import SettingsError
from veriframe.model.quantities import format_strk
from veriframe.ports.registry import FullRegistry, OpenedReader, OpenedRegistry
from veriframe.settings import Settings
from veriframe.wiring import registries

if TYPE_CHECKING:
    from veriframe.wiring.keys import Key


def say_new_account(name: str) -> None:
    """Say on stderr that the embedded registry has a new account: a name that was given may be misspelt."""
    if context.current().settings.account is None:
        return
    show.err.print(
        f"“{show.clean(name)}” is a new account, with {format_strk(registries.NEW_ACCOUNT_FRI)} of play "
        "money. `veriframe account list` lists all accounts.",
        markup=False,
    )


def open_registry(
    default_account: str, on_new_account: Callable[[str], None] = say_new_account
) -> OpenedRegistry:
    """Open the registry for the acting account. It is closed when the command ends.

    `on_new_account` hears of a new account of the embedded registry.

    Raises `SettingsError` if the key is missing or cannot be unlocked, and `RegistryUnavailable`.
    """
    context.begin_log()
    settings = context.current().settings
    account = context.account(default_account)
    return context.run(opened(settings, account, registry_key(settings), on_new_account))


async def opened(
    settings: Settings,
    account: str,
    key: Key | None,
    on_new_account: Callable[[str], None] = say_new_account,
) -> OpenedRegistry:
    """Open the registry for an account with its key, within a command's work. Raises as `open_registry`."""
    if settings.registry != "starknet":
        embedded = registries.embedded(settings, account, on_new_account)
        return OpenedRegistry(worker=embedded, creator=embedded)
    # Imported here because it takes half a second, and most commands do not need it.
    from veriframe.wiring import chain  # noqa: PLC0415

    registry, close = await chain.open_registry(settings, key)
    context.at_end(close)
    return registry


def registry_key(settings: Settings) -> Key | None:
    """The key that the configured registry needs, or None if it needs none. Raises as `account_key`."""
    return account_key(settings) if settings.registry == "starknet" else None


def open_reader(default_account: str) -> OpenedReader:
    """Open the registry for reading, which needs no key. It is closed when the command ends.

    Raises `SettingsError`, `RegistryUnavailable`.
    """
    context.begin_log()
    settings = context.current().settings
    if settings.registry != "starknet":
        # Reading makes no account: its name may be misspelt.
        embedded = registries.reader(settings, context.account(default_account))
        return OpenedReader(jobs=embedded, account=embedded.account)
    from veriframe.wiring import chain  # noqa: PLC0415 - half a second

    opened, close = context.run(chain.open_reader(settings))
    context.at_end(close)
    return opened


def refuse_other_makers(command: str) -> None:
    """Raise `SettingsError` if the registry is of another maker: then `job COMMAND` is not supported.

    Call it before a key is asked for, or anything else is done. Raises `RegistryUnavailable`.
    """
    settings = context.current().settings
    if settings.registry != "starknet":
        return
    from veriframe.wiring import chain  # noqa: PLC0415 - half a second

    functions = context.run(chain.creator_functions(settings))
    if functions is None:
        return
    function = functions.get(command)
    raise SettingsError(
        f"`job {command}` is not supported here: the registry at JOB_REGISTRY_ADDRESS is of another maker. "
        + (f"Call its function {function} with its own tools" if function else "Use its own tools")
        + "; `job list`, `show`, `watch` and `fetch` work here."
    )


def open_creator_registry(
    default_account: str, on_new_account: Callable[[str], None] = say_new_account
) -> FullRegistry:
    """Open the registry of our own class for a creator, or an arbiter, as `open_registry` does."""
    creator = open_registry(default_account, on_new_account).creator
    assert creator is not None, "other makers' registries were refused"
    return creator


def require_account(default_account: str) -> None:
    """Raise `SettingsError` if the embedded registry lacks the acting account, or is not there."""
    settings, name = context.current().settings, context.account(default_account)
    if settings.registry == "starknet":
        return
    registries.reader(settings, name)
    if name not in (known for known, _ in context.run(registries.accounts(settings))):
        raise SettingsError(
            f"There is no account “{show.clean(name)}” here. `veriframe account list` lists all accounts;"
            " name one of them with --account."
        )


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


def say_unknown_account() -> None:
    """Say on stderr that the embedded registry has no account of the name that was given."""
    settings = context.current().settings
    if settings.account is None or settings.registry == "starknet":
        return
    if settings.account not in (name for name, _ in context.run(registries.accounts(settings))):
        show.err.print(
            f"There is no account “{show.clean(settings.account)}” here. `veriframe account list` lists all "
            "accounts.",
            markup=False,
        )
