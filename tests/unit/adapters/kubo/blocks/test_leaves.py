"""Leaves that Kubo made are recognised by the bytes of the file alone."""

from __future__ import annotations

import pytest
from tests.unit.adapters.kubo.blocks.vectors import VECTORS, name_of, node

from veriframe.adapters.kubo.blocks.leaves import is_leaf
from veriframe.adapters.kubo.blocks.unixfs import FileBlock, decode_block
from veriframe.model.content.cid import Codec


@pytest.mark.parametrize(
    "name", ["deep", "deep, version 0", "trickle", "wide", "one block", "one block, version 0", "empty"]
)
def test_leaves_of_kubo_are_recognised_by_their_bytes(name: str) -> None:
    """Raw and wrapped leaves; with other or fewer bytes they are not."""
    leaves = 0
    for cid, block in VECTORS[name].blocks.items():
        decoded = decode_block(cid, block)
        assert isinstance(decoded, FileBlock)
        if decoded.parts:
            continue
        leaves += 1
        assert is_leaf(cid, decoded.data)
        assert not is_leaf(cid, decoded.data + b"x")
        assert not is_leaf(cid, b"" if decoded.data else b"x")
    assert leaves


def test_leaves_of_other_programs() -> None:
    """A leaf of UnixFS type raw is recognised; one without a size has to be requested."""
    assert is_leaf(name_of(node([], b"\x08\x00\x12\x02ab\x18\x02")), b"ab")
    assert not is_leaf(name_of(node([], b"\x08\x02\x12\x02ab")), b"ab")
    assert not is_leaf(name_of(b"ab", Codec.DAG_PB), b"ab")
