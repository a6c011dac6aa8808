"""A key is encrypted at rest and never shown, and hostile files are refused without harm."""

from __future__ import annotations

import contextlib
import copy
import json
import pickle
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
from eth_keyfile.keyfile import create_keyfile_json
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starknet_py.constants import EC_ORDER
from starknet_py.hash.utils import message_signature, verify_message_signature
from tests.unit.adapters.starknet.account.keystores import LOW, PASSWORD, PUBLIC, SECRET, stored

from veriframe.adapters.starknet.account import keystore
from veriframe.adapters.starknet.account.keystore import Key
from veriframe.errors import SettingsError


def _content() -> dict[str, Any]:
    content = json.loads(Key(SECRET).encrypted(PASSWORD, LOW))
    assert isinstance(content, dict)
    return content


def _refusal(content: bytes, password: bytes = PASSWORD) -> str:
    with pytest.raises(SettingsError) as caught:
        keystore.decrypt(content, password, "key.json")
    shown = "".join(traceback.format_exception(caught.value))
    assert f"{SECRET:x}" not in shown.lower()
    assert "MAC mismatch" not in shown
    return str(caught.value)


def test_a_key_comes_back_from_its_keystore(tmp_path: Path) -> None:
    """Written with mode 0600, and nothing else is left in the folder."""
    path = stored(tmp_path)
    assert keystore.read(path, PASSWORD).public_key == PUBLIC
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


@settings(max_examples=20, deadline=None)
@given(secret=st.integers(1, EC_ORDER - 1), password=st.binary(min_size=1, max_size=40))
def test_every_key_and_password_make_the_round(secret: int, password: bytes) -> None:
    """Short keys keep their zeros; passwords may be any bytes."""
    content = Key(secret).encrypted(password, LOW).encode()
    assert keystore.decrypt(content, password, "k").public_key == Key(secret).public_key


def test_the_file_holds_neither_the_key_nor_an_ethereum_address(tmp_path: Path) -> None:
    """Only what is needed to decrypt it."""
    content = stored(tmp_path).read_text(encoding="utf-8")
    assert f"{SECRET:x}" not in content
    assert sorted(json.loads(content)) == ["crypto", "id", "version"]


def test_the_default_cost_is_that_of_wallets() -> None:
    """256 MiB a guess."""
    assert (keystore.SCRYPT_N, 128 * keystore.SCRYPT_N * 8) == (262144, 2**28)


def test_keystores_of_others_open() -> None:
    """Starkli writes the name in lower case, older wallets in upper case, some use PBKDF2."""
    raw = SECRET.to_bytes(32, "big")
    slow = create_keyfile_json(raw, PASSWORD, kdf="pbkdf2", iterations=2)
    capital = _content()
    capital["Crypto"] = capital.pop("crypto")
    for content in (slow, capital):
        assert keystore.decrypt(json.dumps(content).encode(), PASSWORD, "k").public_key == PUBLIC


def test_a_wrong_password_is_one_clear_line() -> None:
    """fault_78: nothing else, and nothing of the content."""
    message = _refusal(json.dumps(_content()).encode(), b"another")
    assert message == "The password does not open the keystore key.json."


def test_a_key_is_never_shown() -> None:
    """fault_79: neither in text nor in a traceback, and it cannot be pickled or copied."""
    key = Key(SECRET)
    for text in (repr(key), str(key), f"{key}", repr([key]), repr({"key": key})):
        assert str(SECRET) not in text
        assert f"{SECRET:x}" not in text
    assert f"{PUBLIC:#x}" in repr(key)
    for taken in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled or copied"):
            taken(key)
    with pytest.raises(TypeError):
        vars(key)


@pytest.mark.parametrize("secret", [0, -1, EC_ORDER, 2**256 - 1])
def test_other_numbers_are_not_keys(secret: int) -> None:
    """Nobody would accept signatures of a key that is not a scalar of the curve."""
    with pytest.raises(SettingsError):
        Key(secret)


def test_a_keystore_of_no_stark_key_is_refused() -> None:
    """An Ethereum key may be too large for StarkNet."""
    content = create_keyfile_json(EC_ORDER.to_bytes(32, "big"), PASSWORD, kdf="scrypt", iterations=LOW)
    assert "not a StarkNet key" in _refusal(json.dumps(content).encode())


def test_random_keys_differ() -> None:
    """And each is a key."""
    assert len({Key.random().public_key for _ in range(4)}) == 4


@pytest.mark.parametrize("message_hash", [1, 2**247, 2**248 - 1, 2**250 + 12345, 2**251 - 1])
@pytest.mark.parametrize("secret", [SECRET, 1, EC_ORDER - 1])
def test_signatures_are_those_of_starknet_py(message_hash: int, secret: int) -> None:
    """Bit for bit: the nonce is drawn in the same way, whatever the length of the hash."""
    assert Key(secret).sign(message_hash) == tuple(message_signature(message_hash, secret))


def test_signatures_are_valid() -> None:
    """By the network's check."""
    r, s = Key(SECRET).sign(12345)
    assert verify_message_signature(12345, [r, s], PUBLIC)
    assert not verify_message_signature(12346, [r, s], PUBLIC)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", 2**40),
        ("n", 2**25),
        ("n", 3),
        ("n", 10**400),
        ("n", "4"),
        ("n", True),
        ("r", 2**20),
        ("r", 0),
        ("p", 2**20),
        ("dklen", 2**31),
        ("dklen", 16),
        ("salt", "zz"),
        ("salt", "é" * 16),
        ("salt", None),
    ],
)
def test_a_keystore_that_would_exhaust_memory_is_refused(name: str, value: object) -> None:
    """fault_78: costs are limited before the key is derived: at most 512 MiB."""
    content = _content()
    content["crypto"]["kdfparams"][name] = value
    assert "not a supported keystore" in _refusal(json.dumps(content).encode())


@pytest.mark.parametrize(
    ("n", "r", "p"), [(2**20, 8, 1), (2**17, 64, 1), (2**18, 8, 64), (2**16, 1, 1)], ids=str
)
def test_costs_are_bounded_together(n: int, r: int, p: int) -> None:
    """fault_78: each number may be valid by itself; memory is n × r, time n × r × p."""
    content = _content()
    content["crypto"]["kdfparams"].update(n=n, r=r, p=p)
    assert "not a supported keystore" in _refusal(json.dumps(content).encode())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[" * 60000,
        b'{"a":' * 9000,
        b'{"version": ' + b"9" * 5000 + b"}",
        b"NaN",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"crypto": {}, "version": 3}',
    ],
)
def test_other_files_are_refused(content: bytes) -> None:
    """fault_78: empty, not text, deeply nested, not an object."""
    assert "not a supported keystore" in _refusal(content)


def test_a_truncated_keystore_is_refused() -> None:
    """At any length."""
    content = json.dumps(_content()).encode()
    for length in range(0, len(content), 7):
        assert "not a supported keystore" in _refusal(content[:length])


def test_nested_json_never_crashes() -> None:
    """A library that the keystore needs raises Python's limit; 60 000 brackets would crash the process."""
    code = "import json; from veriframe.adapters.starknet.account import keystore; json.loads('[' * 60000)"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, "RecursionError" in ended.stderr) == (1, True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
PLACES = [
    ("version",),
    ("crypto",),
    *(("crypto", name) for name in ("cipher", "cipherparams", "ciphertext", "kdf", "kdfparams", "mac")),
    ("crypto", "cipherparams", "iv"),
    *(("crypto", "kdfparams", name) for name in ("dklen", "n", "p", "r", "salt")),
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(place=st.sampled_from(PLACES), value=JSON)
def test_any_damage_is_refused_or_harmless(place: tuple[str, ...], value: object) -> None:
    """Only `SettingsError` is raised, whatever is changed."""
    content = _content()
    part = content
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = value
    _open(json.dumps(content).encode())


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_anything_else_is_refused(content: bytes) -> None:
    """Any bytes and any JSON."""
    assert _refusal(content)


def _open(content: bytes) -> None:
    with contextlib.suppress(SettingsError):
        assert keystore.decrypt(content, PASSWORD, "k").public_key == PUBLIC
