"""Whether content can be read from a source: all of its blocks are requested and checked, but not kept."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from veriframe.adapters.kubo.blocks.mismatch import fits
from veriframe.adapters.kubo.blocks.unixfs import Block, FileBlock, FolderBlock, ShardBlock, decode_block
from veriframe.adapters.kubo.fetching.fetcher import BLOCKS_AT_ONCE, BlockSource
from veriframe.errors import StoreUnavailable
from veriframe.model.content.cid import Cid
from veriframe.threads import run_uninterrupted


async def read_back(root: Cid, source: BlockSource) -> int:
    """Requests every block at and below `root` from `source`, some at a time. Returns how many there are.

    Not for untrusted content: neither size nor depth is limited. Raises `StoreUnavailable` if a block does
    not match its CID, and what the source raises.
    """
    waiting, seen = [root], {root}
    pending = set[asyncio.Task[Block]]()
    try:
        while waiting or pending:
            while waiting and len(pending) < BLOCKS_AT_ONCE:
                pending.add(asyncio.create_task(_block(waiting.pop(), source)))
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                below = [cid for cid in _below(task.result()) if cid not in seen]
                seen.update(below)
                waiting += dict.fromkeys(below)
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
    return len(seen)


async def _block(cid: Cid, source: BlockSource) -> Block:
    block = await source.block(cid)
    if not await run_uninterrupted(fits, cid, block):
        raise StoreUnavailable(f"It returned bytes that do not match {cid}.")
    return decode_block(cid, block)


def _below(block: Block) -> Sequence[Cid]:
    if isinstance(block, FileBlock):
        return [part.cid for part in block.parts]
    if isinstance(block, FolderBlock):
        return [entry.cid for entry in block.entries]
    return (
        [*(entry.cid for entry in block.entries), *block.shards.values()]
        if isinstance(block, ShardBlock)
        else ()
    )
