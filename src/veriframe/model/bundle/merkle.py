"""Merkle trees over tiles and frames, hashed as in RFC 6962, section 2.1, with SHA-256.

A leaf is hashed behind a byte 0, a node behind a byte 1, so that neither can pass for the other.
docs/formats.md says which bytes a tile and a frame have.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

HASH_BYTES = 32


def leaf_hash(content: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(b"\0" + content).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over the hashes of at least one leaf. Raises `ValueError` for none."""
    if not leaves:
        raise ValueError("a tree needs a leaf")
    # Level by level: a node that has no neighbour moves up, which gives RFC 6962's tree.
    level = list(leaves)
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        above = [hashlib.sha256(b"\1" + left + right).digest() for left, right in pairs]
        level = above + level[len(level) - len(level) % 2 :]
    return level[0]


def frames_root(frames: Sequence[tuple[int, bytes]]) -> bytes:
    """The root over frames, as pairs of number and the frame's own root, in the order of the job."""
    return root([leaf_hash(b"veriframe-frame 1 %d\n" % number + digest) for number, digest in frames])


def split_leaves(content: bytes) -> tuple[bytes, ...]:
    """The leaf hashes in a `.tiles` file, one after the other. Raises `ValueError` for another length."""
    if not content or len(content) % HASH_BYTES:
        raise ValueError("not a list of hashes")
    return tuple(content[at : at + HASH_BYTES] for at in range(0, len(content), HASH_BYTES))
