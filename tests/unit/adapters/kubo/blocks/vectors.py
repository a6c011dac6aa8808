"""Blocks made by Kubo 0.42 (`vectors.json` names the commands), and blocks made by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from veriframe.model.content.cid import Cid, Codec, parse_cid

SCENE = b"".join(sha256(bytes([number])).digest() for number in range(25))[:777]
"""The content of most vectors, whole or its beginning."""


@dataclass(frozen=True)
class Vector:
    """A root, and all blocks below it."""

    root: Cid
    blocks: Mapping[Cid, bytes]


def _read() -> Mapping[str, Vector]:
    vectors = json.loads(Path(__file__).with_name("vectors.json").read_text())
    return {
        name: Vector(
            parse_cid(vector["root"]),
            {parse_cid(cid): bytes.fromhex(block) for cid, block in vector["blocks"].items()},
        )
        for name, vector in vectors.items()
    }


VECTORS = _read()


def varint(number: int) -> bytes:
    """A protobuf number."""
    low = [number >> shift & 0x7F for shift in range(0, max(number.bit_length(), 1), 7)]
    return bytes([*(byte | 0x80 for byte in low[:-1]), low[-1]])


def field(number: int, content: bytes) -> bytes:
    """A protobuf field of bytes."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def link(to: bytes | Cid, name: str = "") -> bytes:
    """A link of dag-pb. `to` may be bytes that are not a CID."""
    if isinstance(to, Cid):
        to = bytes((1, to.codec, 0x12, 32)) + to.digest
    return field(1, to) + field(2, name.encode()) + b"\x18\x00"


def node(links: Sequence[bytes], data: bytes) -> bytes:
    """A dag-pb block."""
    return b"".join(field(2, made) for made in links) + field(1, data)


def folder(links: Sequence[bytes]) -> bytes:
    """A folder's block."""
    return node(links, b"\x08\x01")


def file_of(parts: Sequence[tuple[Cid, int]]) -> bytes:
    """A file's block, with the stated sizes of its parts."""
    sizes = b"".join(b"\x20" + varint(size) for _, size in parts)
    return node([link(cid) for cid, _ in parts], b"\x08\x02\x18" + varint(sum(s for _, s in parts)) + sizes)


def name_of(block: bytes, codec: Codec = Codec.DAG_PB) -> Cid:
    """The CID of a block."""
    return Cid(codec, sha256(block).digest())
