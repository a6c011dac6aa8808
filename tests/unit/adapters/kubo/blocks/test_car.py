"""Exports read piece by piece."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.adapters.kubo.blocks.vectors import VECTORS, name_of, varint
from tests.unit.adapters.kubo.fetching.hostile_folders import BLOCKS, FILE
from tests.unit.adapters.kubo.fetching.test_folder_fetcher import CAR, car

from veriframe.adapters.kubo.blocks.car import CarReader
from veriframe.adapters.kubo.blocks.mismatch import ContentMismatch
from veriframe.adapters.kubo.blocks.unixfs import MAX_BLOCK_BYTES
from veriframe.model.content.cid import Cid


def read(stream: bytes, cuts: list[int]) -> list[tuple[Cid, bytes]]:
    """The blocks of a stream that arrives in pieces, cut at these places."""
    reader, places = CarReader(), [0, *sorted(cuts), len(stream)]
    pieces = [stream[start:end] for start, end in pairwise(places)]
    return [block for piece in pieces for block in reader.blocks(piece)]


@given(st.lists(st.integers(0, len(CAR)), max_size=20))
def test_pieces_may_be_cut_anywhere(cuts: list[int]) -> None:
    """The blocks are the same, in the same order."""
    assert read(CAR, cuts) == list(BLOCKS.items())


def test_version_0_and_1_are_read() -> None:
    """A block of version 0 has a shorter CID before it."""
    vector = VECTORS["empty, version 0"]
    [(cid, block)] = vector.blocks.items()
    section = b"\x12\x20" + cid.digest + block
    assert read(car({}) + varint(len(section)) + section, []) == [(cid, block)]


@given(st.binary(max_size=200), st.integers(0, 200))
def test_an_invalid_export_is_rejected_or_awaits_more(stream: bytes, cut: int) -> None:
    """fault_51, fault_55: no other error, whatever the bytes; the blocks are checked later."""
    for start in (b"", car({})):
        with suppress(ContentMismatch):
            read(start + stream, [min(cut, len(start + stream))])


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b"\x00", id="an empty header"),
        pytest.param(varint(4097), id="a header without end"),
        pytest.param(b"\xff" * 5, id="a number without end"),
        pytest.param(car({}) + varint(MAX_BLOCK_BYTES + 37), id="a block beyond all sizes"),
        pytest.param(car({}) + varint(36) + b"\x01\x55\x00\x20" + bytes(32), id="an identity CID"),
        pytest.param(car({}) + varint(10) + bytes(10), id="a block without a CID"),
    ],
)
def test_false_sizes_are_found_before_they_fill_memory(stream: bytes) -> None:
    """fault_51: a section that cannot be valid is not awaited."""
    with pytest.raises(ContentMismatch):
        read(stream, [])


def test_the_largest_block_is_accepted() -> None:
    """A block of exactly the size that nodes exchange."""
    block = FILE + bytes(MAX_BLOCK_BYTES - len(FILE))
    assert read(car({name_of(block): block}), []) == [(name_of(block), block)]
