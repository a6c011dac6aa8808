"""Decoding of blocks: Kubo's blocks are read, and hostile bytes end in one of two ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.adapters.kubo.blocks.vectors import VECTORS, field, folder, link, node

from veriframe.adapters.kubo.blocks.unixfs import (
    MAX_BLOCK_BYTES,
    FileBlock,
    FolderBlock,
    ShardBlock,
    SymlinkBlock,
    decode_block,
)
from veriframe.errors import Code, JobRejected
from veriframe.model.content.cid import Cid, Codec

NODE = Cid(Codec.DAG_PB, bytes(32))
RAW = Cid(Codec.RAW, bytes(32))
TO_RAW = bytes((1, Codec.RAW, 0x12, 32)) + bytes(32)

_SAMPLES = [block for vector in VECTORS.values() for block in vector.blocks.values()]


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    """A block of Kubo's with some bytes changed, inserted or removed."""
    block = bytearray(draw(st.sampled_from(_SAMPLES)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(block)))
        block[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(block)


@given(block=st.binary(max_size=200) | _damaged())
def test_any_bytes_give_a_value_or_one_error(block: bytes) -> None:
    """Whatever a block contains, decoding ends with a value or with CORRUPT."""
    code, decoded = None, None
    try:
        decoded = decode_block(NODE, block)
    except JobRejected as error:
        code = error.code
    assert code == Code.CORRUPT or isinstance(decoded, FileBlock | FolderBlock | ShardBlock | SymlinkBlock)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("deep", FileBlock),
        ("one block, version 0", FileBlock),
        ("with mode and time", FileBlock),
        ("empty, version 0", FileBlock),
        ("folder", FolderBlock),
        ("many", ShardBlock),
        ("symlink", SymlinkBlock),
    ],
)
def test_kubo_blocks_are_read(name: str, kind: type) -> None:
    """Each kind of block that Kubo makes is recognised."""
    vector = VECTORS[name]
    assert kind is type(decode_block(vector.root, vector.blocks[vector.root]))


def test_raw_block_is_a_file() -> None:
    """A raw block is all data, whatever it looks like."""
    assert FileBlock(b"\n\x04\x08\x02", ()) == decode_block(RAW, b"\n\x04\x08\x02")


def test_packed_sizes_are_read() -> None:
    """Sizes of parts may be packed: protobuf writers may do that."""
    message = b"\x08\x02\x18\x0a" + field(4, b"\x04\x06")
    decoded = decode_block(NODE, node([link(TO_RAW), link(TO_RAW)], message))
    assert isinstance(decoded, FileBlock)
    assert [part.size_bytes for part in decoded.parts] == [4, 6]


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "a/b", "/etc", "a\0b", "n" * 256])
def test_invalid_file_names_are_refused(name: str) -> None:
    """fault_4: an entry with `..`, `/`, NUL, no name or one that is too long is CORRUPT."""
    _refused(folder([link(TO_RAW, name)]), "an invalid file name")


@pytest.mark.parametrize(
    "to",
    [
        b"",
        bytes((1, Codec.RAW, 0x00, 3)) + b"abc",
        bytes((1, Codec.RAW, 0x22, 32)) + bytes(32),
        bytes((1, 0x71, 0x12, 32)) + bytes(32),
        TO_RAW + b"\0",
    ],
)
def test_links_that_cannot_be_checked_are_refused(to: bytes) -> None:
    """fault_3: a link by identity, by another digest or to another codec is CORRUPT."""
    _refused(folder([link(to, "a")]), "cannot be checked here")


@pytest.mark.parametrize(
    ("block", "why"),
    [
        (b"", "no data that says what it is"),
        (b"\x0a", "in the middle of a number"),
        (b"\x0a\x05\x08", "in the middle of a field"),
        (node([], b"\x08\x03"), "neither a file nor a folder"),
        (node([], b"\x08\x09"), "a type that UnixFS does not have"),
        (node([], b"\x12\x00"), "a type that UnixFS does not have"),
        (node([], b"\x08\x02\x08\x02"), "a field twice"),
        (node([], b"\x08\x82\x00"), "not in its shortest form"),
        (node([], b"\x08" + b"\xff" * 9 + b"\x7f"), "too large"),
        (node([], b"\x08\x02\x48\x01"), "which is not known"),
        (node([], b"\x08\x02\x1d1234"), "which is not known"),
        (node([], b"\x08\x02\x18\x05"), "says that it has 5 bytes"),
        (node([link(TO_RAW)], b"\x08\x02"), "1 parts and 0 sizes"),
        (node([], b"\x08\x02") + field(1, b"\x08\x02"), "data twice"),
        (folder([link(TO_RAW, "a")]) + field(2, link(TO_RAW, "b")), "links in two places"),
        (folder([link(TO_RAW, "a"), link(TO_RAW, "a")]), "two entries of the name"),
        (folder([field(2, b"a") + field(1, TO_RAW)]), "wrong order"),
        (folder([field(1, TO_RAW) + field(2, b"\xff")]), "not in UTF-8"),
        (node([], b"\x08\x05\x28\x22\x30\x07"), "divided in a way"),
        (node([], b"\x08\x05\x28\x12\x30\x08"), "divided in a way"),
        (node([link(TO_RAW, "9a")], b"\x08\x05\x28\x22\x30\x08"), "invalid or taken"),
        (node([link(TO_RAW, "1"), link(TO_RAW, "1")], b"\x08\x05\x28\x22\x30\x08"), "invalid or taken"),
        (node([link(TO_RAW, "1..")], b"\x08\x05\x28\x22\x30\x08"), "an invalid file name"),
    ],
)
def test_invalid_blocks_are_refused(block: bytes, why: str) -> None:
    """Each defect is CORRUPT, and is named."""
    _refused(block, why)


def test_oversized_block_is_refused() -> None:
    """A block larger than nodes exchange is refused before it is read."""
    _refused(bytes(MAX_BLOCK_BYTES + 1), "larger than any that IPFS carries")


def _refused(block: bytes, why: str) -> None:
    with pytest.raises(JobRejected) as caught:
        decode_block(NODE, block)
    assert caught.value.code == Code.CORRUPT
    assert why in str(caught.value)
