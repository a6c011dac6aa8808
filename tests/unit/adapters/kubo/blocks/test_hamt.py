"""Slots of names in large folders, compared with published hashes and with a folder that Kubo made."""

from __future__ import annotations

import pytest
from tests.unit.adapters.kubo.blocks.vectors import VECTORS

from veriframe.adapters.kubo.blocks.hamt import hash_of, slot, slot_bits
from veriframe.adapters.kubo.blocks.unixfs import ShardBlock, decode_block
from veriframe.model.content.cid import Cid


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", 0),
        ("hello", 0xCBD8A7B341BD9B02),
        ("hello, world", 0x342FAC623A5EBC8E),
        ("x" * 16, 0x68CCBBACD92543DD),
        ("x" * 33, 0xB73A0F22CBD8F47D),
        ("é", 0xC9187AA411D463E8),
        ("The quick brown fox jumps over the lazy dog", 0xE34BBC7BBC071B6C),
    ],
)
def test_hashes(name: str, expected: int) -> None:
    """The published ones of murmur3-x64-128, and those that another program computes."""
    assert hash_of(name) == expected


def test_a_hash_is_used_from_its_highest_bit_to_its_last() -> None:
    """Eight levels of 256 slots, 21 of 8."""
    name_hash = 0x0123456789ABCDEF
    assert [slot(name_hash, 8 * level, 256) for level in range(8)] == list(name_hash.to_bytes(8, "big"))
    assert slot(name_hash, 64, 256) == slot(name_hash, 63, 8) == -1
    assert slot(name_hash, 60, 8) == 7


def test_kubo_puts_names_where_they_are_looked_for() -> None:
    """All twenty, at each level."""
    root, blocks = VECTORS["many"].root, VECTORS["many"].blocks
    found = list[str]()

    def visit(cid: Cid, way: tuple[int, ...]) -> None:
        block = decode_block(cid, blocks[cid])
        assert isinstance(block, ShardBlock)
        bits = slot_bits(block.fanout)
        for entry in block.entries:
            taken = tuple(slot(hash_of(entry.name), bits * level, block.fanout) for level in range(len(way)))
            assert taken == way
            found.append(entry.name)
        for place, shard in block.shards.items():
            visit(shard, (*way, place))

    visit(root, ())
    assert len(found) == 20
