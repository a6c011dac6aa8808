"""Wires keys, keystores and accounts. The import takes half a second, so import it only if a key is used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from veriframe.adapters.starknet.account import accounts, deployment, keystore
from veriframe.adapters.starknet.account.keystore import Key, read_private
from veriframe.adapters.starknet.connection import agree_on_chain
from veriframe.adapters.starknet.rpc.endpoints import Endpoints
from veriframe.adapters.starknet.transactions.receipt import Receipt
from veriframe.errors import SettingsError
from veriframe.model.registry.job import Address
from veriframe.settings import Settings
from veriframe.wiring.chain import expected_chain

__all__ = [
    "OPEN_ZEPPELIN_CLASS_HASH",
    "Key",
    "account_address",
    "deploy_account",
    "import_key",
    "keep",
    "prepare_new",
    "read_private",
    "unlock",
]

OPEN_ZEPPELIN_CLASS_HASH = accounts.OPEN_ZEPPELIN_CLASS_HASH
"""The default class of an account."""


def unlock(path: Path, ask: Callable[[], bytes]) -> Key:
    """Unlock a keystore. `ask` returns the password; it is called when the file is read and memory protected.

    Raises `SettingsError`, `HostUnavailable`.
    """
    content = read_private(path, "keystore")
    keystore.protect_process()
    return keystore.decrypt(content, ask(), str(path))


def prepare_new(path: Path) -> None:
    """Check that a new keystore's name is free, and protect the memory, before its password is asked for.

    Raises `SettingsError`, `HostUnavailable`.
    """
    keystore.refuse_existing(path)
    keystore.protect_process()


def keep(key: Key, path: Path, password: bytes) -> Key:
    """Write a new keystore and read the key back from it. Raises `SettingsError`."""
    keystore.write(path, key, password)
    # A key that cannot be read loses the account's money, so test the file before anyone pays the address.
    return keystore.read(path, password)


def import_key(
    source: Path,
    name: str | None,
    ask: Callable[[], bytes],
    ask_new: Callable[[], bytes],
) -> tuple[Key, bytes, Address | None]:
    """The key of a keystore or of an account in sncast's file, its new password, and its address if known.

    `ask` returns a keystore's password, which stays; `ask_new` returns a new one. Raises `SettingsError`.
    """
    content = read_private(source, "file")
    if keystore.is_keystore(content):
        if name is not None:
            raise SettingsError(f"{source} is a keystore with one key: leave --name out.")
        password = ask()
        return keystore.decrypt(content, password, str(source)), password, None
    chosen = accounts.choose_account(accounts.read_accounts(content, str(source)), name, str(source))
    return chosen.key, ask_new(), chosen.address


def account_address(
    public_key: int, class_hash: int = OPEN_ZEPPELIN_CLASS_HASH, salt: int | None = None
) -> Address:
    """The present or future address of a key's account. `salt` is the public key by default."""
    return accounts.counterfactual_address(public_key, class_hash, salt)


async def deploy_account(
    settings: Settings, key: Key, class_hash: int, salt: int | None, *, max_fee_fri: int
) -> tuple[Address, Receipt | None]:
    """Deploy the key's account on the chain. The receipt is None if it already exists.

    Raises `SettingsError` if the nodes serve another chain, `MoveRefused`, `RegistryUnavailable`.
    """
    chain = expected_chain(settings)
    nodes = Endpoints(settings.starknet_rpc, chain_id=chain.chain_id)
    try:
        await agree_on_chain(nodes, chain)
        chosen = key.public_key if salt is None else salt
        return await deployment.deploy(nodes, key, class_hash, chosen, max_fee_fri=max_fee_fri)
    finally:
        await nodes.close()
