"""A known key and its keystore, for tests."""

from __future__ import annotations

from pathlib import Path

from veriframe.adapters.starknet.account import keystore
from veriframe.adapters.starknet.account.keystore import Key

SECRET = 0x71D7BB07B9A64F6F78AC4C816AFF4DA9
PUBLIC = 0x39D9E6CE352AD4530A0EF5D5A18FD3303C3606A7FA6AC5B620020AD681CC33B
"""The first account of a devnet with `--seed 0`."""
PASSWORD = b"correct horse battery"
LOW = 4
"""A scrypt cost for tests."""


def stored(folder: Path) -> Path:
    """Writes a keystore to a folder. Returns its path."""
    path = folder / "key.json"
    keystore.write(path, Key(SECRET), PASSWORD, scrypt_n=LOW)
    return path
