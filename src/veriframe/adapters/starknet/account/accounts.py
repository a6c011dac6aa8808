"""Account contracts: the address that follows from a key, and sncast's accounts files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter, ValidationError
from starknet_py.hash.address import compute_address

from veriframe.adapters.starknet.account.keystore import Key, parse_json
from veriframe.errors import SettingsError
from veriframe.model.registry.job import Address

OPEN_ZEPPELIN_CLASS_HASH = 0x05B4B537EAA2399E3AA99C4E2E0208EBD6C71BC1467938CD52C798C601E43564
"""OpenZeppelin's account for Cairo, release 1.0.0: sncast's default, also in starknet-devnet 0.8.1."""


def counterfactual_address(
    public_key: int, class_hash: int = OPEN_ZEPPELIN_CLASS_HASH, salt: int | None = None
) -> Address:
    """The address that an account will have when it deploys itself. Money may be sent there before.

    `salt` is the public key by default, so the address follows from the key alone.
    """
    return Address(
        compute_address(
            class_hash=class_hash,
            constructor_calldata=[public_key],
            salt=public_key if salt is None else salt,
        )
    )


@dataclass(frozen=True, slots=True)
class PlainAccount:
    """An account in an accounts file, with the `address` that the file gives."""

    network: str
    name: str
    key: Key
    address: Address


def read_accounts(content: bytes, file_name: str) -> list[PlainAccount]:
    """The accounts in sncast's accounts file that have a private key, in the file's order.

    Accounts on hardware wallets have none. Raises `SettingsError` if the file is not an accounts file, or if
    a private key does not match its public key.
    """
    try:
        networks = _Networks.validate_python(parse_json(content))
    except (ValidationError, RecursionError):
        raise SettingsError(
            f"{file_name} is neither a keystore nor an accounts file of sncast, or it is damaged."
        ) from None
    return [
        _account(network, name, entry, file_name)
        for network, name, entry in _entries(networks)
        if entry.private_key
    ]


def choose_account(accounts: list[PlainAccount], name: str | None, file_name: str) -> PlainAccount:
    """The account of this name (`name` or `network/name`), or the only one. Raises `SettingsError`."""
    fitting = [one for one in accounts if name in (None, one.name, f"{one.network}/{one.name}")]
    if len(fitting) == 1:
        return fitting[0]
    if not accounts:
        raise SettingsError(f"{file_name} has no account with a private key.")
    known = ", ".join(ascii(f"{one.network}/{one.name}")[1:-1] for one in accounts[:20])
    raise SettingsError(f"Choose one of the accounts in {file_name} with --name: {known}.")


def _entries(networks: dict[str, dict[str, _Entry]]) -> Iterator[tuple[str, str, _Entry]]:
    for network, accounts in networks.items():
        for name, entry in accounts.items():
            yield network, name, entry


def _account(network: str, name: str, entry: _Entry, file_name: str) -> PlainAccount:
    key = Key(int(entry.private_key or "0", 16))
    if key.public_key != int(entry.public_key, 16):
        raise SettingsError(f"In {file_name}, the private key of {name!a} does not match its public key.")
    address = Address(int(entry.address, 16))
    return PlainAccount(network, name, key, address)


_Hex = Annotated[str, StringConstraints(pattern=r"^0[xX][0-9a-fA-F]{1,64}$")]


class _Entry(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, hide_input_in_errors=True)

    public_key: _Hex
    address: _Hex
    private_key: _Hex | None = None


_Networks = TypeAdapter(dict[str, dict[str, _Entry]])
