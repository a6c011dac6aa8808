"""Leaves: the blocks that hold a file's bytes, recognised by those bytes alone.

So what an earlier attempt left on the disk can be checked instead of requested again.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

from veriframe.adapters.kubo.blocks.protobuf import bytes_field, varint_field
from veriframe.model.content.cid import Cid, Codec

_RAW, _FILE = 0, 2
"""UnixFS types of leaves: Kubo writes files, other programs often write raw."""


def is_leaf(cid: Cid, content: bytes) -> bool:
    """Whether `cid` names the leaf that holds `content`: bare, or wrapped as in CIDs of version 0.

    False also for leaves that are wrapped in another way: those have to be requested.
    """
    if cid.codec is Codec.RAW:
        return sha256(content).digest() == cid.digest
    return any(sha256(block).digest() == cid.digest for block in _wrapped(content))


def _wrapped(content: bytes) -> Iterator[bytes]:
    for kind in (_FILE, _RAW):
        # Source: the UnixFS specification. Type, data, size of the file; an empty file has no data field.
        data = bytes_field(2, content) if content else b""
        yield bytes_field(1, varint_field(1, kind) + data + varint_field(3, len(content)))
