"""Whether content can be had from a source: all of its blocks are asked for, checked, and not kept."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from veriframe.adapters.kubo.blocks.dag import AHEAD_BLOCKS, BlockSource, fits
from veriframe.adapters.kubo.blocks.unixfs import (
    MAX_BLOCK_BYTES,
    Block,
    FileBlock,
    FolderBlock,
    ShardBlock,
    decode_block,
)
from veriframe.errors import StoreUnavailable
from veriframe.model.content.cid import Cid


async def read_back(root: Cid, source: BlockSource) -> int:
    """Ask `source` for every block at and below `root`, some at a time. Returns how many there are.

    Not for strangers' content: neither size nor depth is capped. Raises `StoreUnavailable` where a block is
    another one than its CID names, and what the source raises.
    """
    waiting, seen = [root], {root}
    coming = set[asyncio.Task[Block]]()
    try:
        while waiting or coming:
            while waiting and len(coming) < AHEAD_BLOCKS:
                coming.add(asyncio.create_task(_block(waiting.pop(), source)))
            done, coming = await asyncio.wait(coming, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                below = [cid for cid in _below(task.result()) if cid not in seen]
                seen.update(below)
                waiting += dict.fromkeys(below)
    finally:
        for task in coming:
            task.cancel()
        await asyncio.gather(*coming, return_exceptions=True)
    return len(seen)


async def _block(cid: Cid, source: BlockSource) -> Block:
    block = await source.block(cid, MAX_BLOCK_BYTES)
    if not await asyncio.to_thread(fits, cid, block):
        raise StoreUnavailable(f"It gives other bytes than {cid} names.")
    return decode_block(cid, block)


def _below(block: Block) -> Sequence[Cid]:
    if isinstance(block, FileBlock):
        return [part.cid for part in block.parts]
    if isinstance(block, FolderBlock):
        return [entry.cid for entry in block.entries]
    return [*(entry.cid for entry in block.entries), *block.shards] if isinstance(block, ShardBlock) else ()
