"""The noted address of a keystore's account: it only tells which jobs are one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from veriframe.adapters.starknet.account import known_addresses
from veriframe.model.registry.job import NOBODY, Address


@pytest.fixture
def keystore(tmp_path: Path) -> Path:
    """A keystore's file."""
    path = tmp_path / "key.json"
    path.write_text("encrypted")
    return path


def test_an_address_is_known_after_it_was_noted(tmp_path: Path, keystore: Path) -> None:
    """fault_140: for this keystore, whatever its name."""
    home = tmp_path / "home"
    assert known_addresses.read(home, keystore) == NOBODY
    known_addresses.note(home, keystore, Address(0xA))
    known_addresses.note(home, keystore, Address(0xA))
    assert known_addresses.read(home, keystore) == 0xA
    assert known_addresses.read(home, keystore.rename(tmp_path / "other.json")) == 0xA


def test_another_keystore_under_the_same_name_is_another_account(tmp_path: Path, keystore: Path) -> None:
    """Its content counts."""
    known_addresses.note(tmp_path, keystore, Address(0xA))
    keystore.write_text("another one")
    assert known_addresses.read(tmp_path, keystore) == NOBODY


@pytest.mark.parametrize("noted", [b"", b"zz", b"0x0", b"-0x5", b"0x" + b"f" * 64, b"\xff" * 200])
def test_a_note_that_is_no_address_is_none(tmp_path: Path, keystore: Path, noted: bytes) -> None:
    """fault_76: it is only a note; no command fails for it."""
    known_addresses.note(tmp_path, keystore, Address(0xA))
    (file,) = (tmp_path / known_addresses.FOLDER).iterdir()
    file.write_bytes(noted)
    assert known_addresses.read(tmp_path, keystore) == NOBODY


def test_what_cannot_be_read_or_written_is_no_fault(tmp_path: Path, keystore: Path) -> None:
    """fault_76: a missing keystore, or a home that is a file."""
    assert known_addresses.read(tmp_path, tmp_path / "missing.json") == NOBODY
    (tmp_path / "file").write_text("")
    known_addresses.note(tmp_path / "file", keystore, Address(0xA))
    assert known_addresses.read(tmp_path / "file", keystore) == NOBODY
