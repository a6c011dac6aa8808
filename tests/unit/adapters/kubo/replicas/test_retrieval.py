"""Reading additions back: every block, from witnesses and from a second node."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import structlog.testing
from tests.unit.adapters.kubo.lying_node import LyingNode, lying_node
from tests.unit.adapters.kubo.replicas.copies import NAME, Counting, missing, spread

from veriframe.adapters.kubo.replicas.replica import second_node
from veriframe.adapters.kubo.replicas.retrieval import read_back
from veriframe.errors import StoreUnavailable


async def test_it_is_read_back_from_a_witness(node: LyingNode, picture: Path) -> None:
    """fault_54: every block, from another source, correct to the byte."""
    witness = Counting(dict(node.blocks))
    with structlog.testing.capture_logs() as lines:
        await spread(node, witnesses=(witness,)).add(picture, NAME)
    assert set(node.blocks) == set(witness.asked)
    assert missing(lines) == []


async def test_a_witness_that_lacks_or_lies_is_named(node: LyingNode, picture: Path) -> None:
    """fault_54: one missing or wrong block is enough."""
    last = list(node.blocks)[2]
    lacking = {cid: block for cid, block in node.blocks.items() if cid != last}
    lying = node.blocks | {last: node.blocks[last][:-1] + b"?"}
    for blocks in (lacking, lying):
        with structlog.testing.capture_logs() as lines:
            await spread(node, witnesses=(Counting(blocks),)).add(picture, NAME)
        assert [where for where, _ in missing(lines)] == ["counting"]
        with pytest.raises(StoreUnavailable):
            await spread(node, witnesses=(Counting(blocks),), required=True).add(picture, NAME)


async def test_a_witness_finds_it_after_a_while(node: LyingNode, picture: Path) -> None:
    """fault_54: a gateway may find new content a little later; it is asked again."""
    witness = Counting(dict(node.blocks), absences=2)
    await spread(node, witnesses=(witness,), required=True).add(picture, NAME)


async def test_a_second_node_gets_the_bytes_and_they_are_read_back(node: LyingNode, picture: Path) -> None:
    """fault_54: added there by its own upload, and read back block by block."""
    async with lying_node() as second:
        store = spread(node, second_node(second.url, None), required=True)
        assert await store.add(picture, NAME) == str(node.root)
        assert second.asked[:3] == ["add", "block/put", "pin/add"]
        assert second.asked.count("block/get") == len(node.blocks)
        second.blocks.popitem()
        with pytest.raises(StoreUnavailable):
            await store.add(picture, NAME)
        await store.close()


async def test_reading_back_cancels_its_requests(node: LyingNode) -> None:
    """After a cancellation no task is left."""
    witness = Counting(dict(node.blocks), stuck=True)
    task = asyncio.create_task(read_back(node.root, witness))
    await asyncio.wait_for(witness.started.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert {task.get_name() for task in asyncio.all_tasks()} == {asyncio.current_task().get_name()}  # type: ignore[union-attr]
