"""Addresses before deployment, and keys from other tools' accounts files."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veriframe.adapters.starknet.account import accounts
from veriframe.errors import SettingsError

SECRET = 0x71D7BB07B9A64F6F78AC4C816AFF4DA9
PUBLIC = 0x39D9E6CE352AD4530A0EF5D5A18FD3303C3606A7FA6AC5B620020AD681CC33B
ADDRESS = 0x64B48806902A367C8598F4F95C305E8C1A1ACBA5F082D294A43793113115691
"""The first account of a devnet with `--seed 0`."""
OLDER_CLASS_HASH = 0x3FCBF77B28C96F4F2FB5BD2D176AB083A12A5E123ADEB0DE955D7EE228C9854
"""The class from which devnet computes its accounts' addresses, though they run another."""


def _entry(**changes: object) -> dict[str, Any]:
    whole = {
        "private_key": f"{SECRET:#x}",
        "public_key": f"{PUBLIC:#x}",
        "address": f"{ADDRESS:#x}",
        "class_hash": "0x1",
        "salt": "0x14",
        "deployed": True,
        "legacy": False,
        "type": "open_zeppelin",
    }
    return {**whole, **changes}


def _file(value: object) -> bytes:
    return json.dumps(value).encode()


def test_the_address_is_that_of_the_network() -> None:
    """As a real devnet lists it: from an older class, with salt 20."""
    assert accounts.counterfactual_address(PUBLIC, OLDER_CLASS_HASH, 20) == ADDRESS


def test_the_salt_is_the_public_key_by_default() -> None:
    """The address follows from the key alone."""
    expected = accounts.counterfactual_address(PUBLIC, salt=PUBLIC)
    assert accounts.counterfactual_address(PUBLIC) == expected
    assert accounts.counterfactual_address(PUBLIC, class_hash=1) != expected


def test_an_accounts_file_is_read() -> None:
    """As sncast writes it; entries of hardware wallets have no key and are left out."""
    content = _file({"alpha-sepolia": {"me": _entry(), "ledger": _entry(private_key=None)}})
    (found,) = accounts.read_accounts(content, "f")
    assert (found.network, found.name, found.address) == ("alpha-sepolia", "me", ADDRESS)
    assert found.key.public_key == PUBLIC
    assert f"{SECRET:x}" not in repr(found)


def test_an_account_is_chosen_by_its_name() -> None:
    """By `name`, or by `network/name` if there are two."""
    found = accounts.read_accounts(
        _file({"a": {"me": _entry()}, "b": {"me": _entry(), "you": _entry()}}), "f"
    )
    assert accounts.choose_account(found, "you", "f").network == "b"
    assert accounts.choose_account(found, "a/me", "f").network == "a"
    assert accounts.choose_account(found[:1], None, "f").name == "me"
    for name in (None, "me", "who"):
        with pytest.raises(SettingsError, match="--name: a/me, b/me, b/you"):
            accounts.choose_account(found, name, "f")
    with pytest.raises(SettingsError):
        accounts.choose_account([], None, "f")


def test_a_key_that_does_not_match_its_public_key_is_refused() -> None:
    """Its signatures would not be accepted; the message does not show it."""
    with pytest.raises(SettingsError, match="does not match its public key") as caught:
        accounts.read_accounts(_file({"a": {"me": _entry(private_key=f"{SECRET + 1:#x}")}}), "f")
    assert f"{SECRET + 1:x}" not in str(caught.value)


@pytest.mark.parametrize("place", ["private_key", "public_key", "address"])
@settings(max_examples=60, deadline=None)
@given(value=st.text(max_size=70) | st.integers() | st.none() | st.lists(st.none(), max_size=2))
def test_damaged_entries_are_refused(place: str, value: object) -> None:
    """Only `SettingsError` is raised."""
    _judge(_file({"a": {"me": _entry(**{place: value})}}))


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=100))
def test_anything_else_is_refused(content: bytes) -> None:
    """Any bytes."""
    with pytest.raises(SettingsError):
        accounts.read_accounts(content, "f")


def _judge(content: bytes) -> None:
    with contextlib.suppress(SettingsError):
        assert all(one.key.public_key == PUBLIC for one in accounts.read_accounts(content, "f"))
