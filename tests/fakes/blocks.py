"""Hashes of blocks that were never made."""

from __future__ import annotations

from hashlib import sha256


def hash_of_block(number: int) -> int:
    """A felt for a block's number: another for each."""
    return int.from_bytes(sha256(f"block {number}".encode()).digest()) >> 5
