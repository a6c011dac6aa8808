"""A range of a file from nodes: only the blocks that it needs, each checked; files that lie about sizes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from hashlib import sha256, shake_256

import pytest
import pytest_asyncio
from tests.unit.adapters.kubo.lying_node import (
    LEAF_BYTES,
    SHORT_TIMEOUTS,
    Blocks,
    LyingNode,
    lying_node,
    make_blocks,
)

from veriframe.adapters.kubo.blocks.protobuf import bytes_field, varint_field
from veriframe.adapters.kubo.blocks.unixfs import Block, decode_block
from veriframe.adapters.kubo.fetching import reading
from veriframe.adapters.kubo.fetching.reading import read_range
from veriframe.adapters.kubo.store import KuboStore
from veriframe.errors import Code, JobRejected, StoreUnavailable
from veriframe.model.content.cid import Cid, Codec

CONTENT = shake_256(b"proof").digest(800_000)
"""Four leaves, each with other bytes."""


@pytest_asyncio.fixture
async def node() -> AsyncIterator[LyingNode]:
    """A node with a file of four leaves."""
    async with lying_node() as started:
        started.root, started.blocks = make_blocks(CONTENT)
        yield started


@pytest_asyncio.fixture
async def store(node: LyingNode) -> AsyncIterator[KuboStore]:
    """A store on that node, with short timeouts."""
    async with KuboStore(node.url, timeouts=SHORT_TIMEOUTS) as opened:
        yield opened


def fetched(node: LyingNode) -> set[str]:
    """The CIDs of the blocks that were requested."""
    return {one.query["arg"] for one in node.requests if one.path.endswith("block/get")}


def leaf(number: int) -> str:
    """The CID of one of the file's leaves."""
    content = CONTENT[number * LEAF_BYTES : (number + 1) * LEAF_BYTES]
    return str(Cid(Codec.RAW, sha256(content).digest()))


def file_of(*parts: tuple[Cid, int], size_bytes: int | None = None) -> tuple[Cid, bytes]:
    """A block of a file with these parts and the sizes that it claims for them."""
    links = b"".join(_link(cid) for cid, _ in parts)
    sizes = b"".join(varint_field(4, size) for _, size in parts)
    total = sum(size for _, size in parts) if size_bytes is None else size_bytes
    block = links + bytes_field(1, varint_field(1, 2) + varint_field(3, total) + sizes)
    return Cid(Codec.DAG_PB, sha256(block).digest()), block


def _link(cid: Cid) -> bytes:
    binary = bytes((1, cid.codec, 0x12, 0x20)) + cid.digest
    return bytes_field(2, bytes_field(1, binary) + bytes_field(2, b"") + varint_field(3, 0))


def _raw(content: bytes) -> Cid:
    return Cid(Codec.RAW, sha256(content).digest())


def _served(blocks: Sequence[tuple[Cid, bytes]], node: LyingNode) -> None:
    node.blocks |= {str(cid): block for cid, block in blocks}


async def test_only_the_blocks_of_the_range_are_fetched(store: KuboStore, node: LyingNode) -> None:
    """The root and one leaf, or two where the range crosses their border; never the stream of the file."""
    root = str(node.root)
    assert await store.read(root, "", LEAF_BYTES + 7, 1000) == CONTENT[LEAF_BYTES + 7 :][:1000]
    assert fetched(node) == {root, leaf(1)}
    node.requests.clear()
    assert await store.read(root, "", 2 * LEAF_BYTES - 1, 2) == CONTENT[2 * LEAF_BYTES - 1 :][:2]
    assert fetched(node) == {root, leaf(1), leaf(2)}
    assert "cat" not in node.asked


async def test_a_block_with_other_bytes_is_not_used(store: KuboStore, node: LyingNode) -> None:
    """fault_254: the node is not trusted; the other leaves still serve."""
    root = str(node.root)
    node.blocks[leaf(1)] = b"x" * LEAF_BYTES
    with pytest.raises(StoreUnavailable, match="do not match"):
        await store.read(root, "", LEAF_BYTES, 10)
    assert await store.read(root, "", 0, 10) == CONTENT[:10]


async def test_other_sources_serve_what_a_node_has_wrong(node: LyingNode) -> None:
    """Block by block."""
    _, blocks = make_blocks(CONTENT)
    node.blocks[leaf(2)] = b"x"
    async with KuboStore(node.url, timeouts=SHORT_TIMEOUTS, sources=(Blocks(blocks),)) as store:
        at = 2 * LEAF_BYTES + 5
        assert await store.read(str(node.root), "", at, 50) == CONTENT[at : at + 50]


@pytest.mark.parametrize("claimed", [0, 9, 11, 2**63])
async def test_block_sizes_that_lie_are_found_where_they_are_used(
    store: KuboStore, node: LyingNode, claimed: int
) -> None:
    """fault_255: a root gives a wrong size of its leaf, which shifts the next: the leaf is refused."""
    first, second = b"a" * 10, b"b" * 10
    root, block = file_of((_raw(first), claimed), (_raw(second), 10))
    _served([(root, block), (_raw(first), first), (_raw(second), second)], node)
    if claimed:
        with pytest.raises(JobRejected) as caught:
            await store.read(str(root), "", 0, 5)
        assert caught.value.code is Code.CORRUPT
    assert await store.read(str(root), "", claimed, 10) == second


async def test_a_size_that_lies_below_the_root_is_found(store: KuboStore, node: LyingNode) -> None:
    """The root and the block under it disagree; and a root that disagrees with itself."""
    content = b"a" * 10
    inner, inner_block = file_of((_raw(content), 10))
    outer, outer_block = file_of((inner, 12))
    odd, odd_block = file_of((_raw(content), 10), size_bytes=20)
    _served([(inner, inner_block), (outer, outer_block), (odd, odd_block)], node)
    for root in (outer, odd):
        with pytest.raises(JobRejected) as caught:
            await store.read(str(root), "", 0, 5)
        assert caught.value.code is Code.CORRUPT


async def test_a_folder_in_place_of_a_part_is_refused(store: KuboStore, node: LyingNode) -> None:
    """It is no part of a file, whatever size is claimed for it."""
    block = bytes_field(1, varint_field(1, 1))
    folder = Cid(Codec.DAG_PB, sha256(block).digest())
    root, root_block = file_of((folder, 10))
    _served([(folder, block), (root, root_block)], node)
    with pytest.raises(JobRejected) as caught:
        await store.read(str(root), "", 0, 5)
    assert caught.value.code is Code.CORRUPT


async def test_blocks_are_limited_in_depth_and_number(
    store: KuboStore, node: LyingNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_256: a chain of 40 blocks for one byte, and a tree of many."""
    cid, blocks = _raw(b"a"), [(_raw(b"a"), b"a")]
    for _ in range(40):
        cid, block = file_of((cid, 1))
        blocks.append((cid, block))
    wide, wide_block = file_of(*[(_raw(b"a"), 1)] * 30)
    _served([*blocks, (wide, wide_block)], node)
    monkeypatch.setattr(reading, "MOST_BLOCKS", 20)
    for root in (cid, wide):
        with pytest.raises(JobRejected) as caught:
            await store.read(str(root), "", 0, 30)
        assert caught.value.code is Code.TOO_LARGE


async def test_the_same_leaf_may_come_twice() -> None:
    """A file that repeats itself has the same block in many places."""
    content = b"abc"
    root, block = file_of(*[(_raw(content), 3)] * 5)
    blocks = {root: block, _raw(content): content}

    async def fetch(cid: Cid) -> Block:
        return decode_block(cid, blocks[cid])

    assert await read_range(root, 2, 8, fetch) == (content * 5)[2:10]
