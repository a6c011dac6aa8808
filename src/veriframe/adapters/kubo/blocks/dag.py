"""A file put together from blocks, each checked against its own CID.

So it does not matter who gave a block, nor by which options the file was once added: chunk sizes, widths
and versions of CIDs may be any. What the blocks say of sizes is their maker's word, and is capped.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from veriframe.adapters.kubo.blocks.leaves import is_leaf
from veriframe.adapters.kubo.blocks.unixfs import MAX_BLOCK_BYTES, Block, FileBlock, decode_block
from veriframe.adapters.kubo.files.partial import Partial
from veriframe.errors import Code, JobRejected, StoreUnavailable
from veriframe.model.content.cid import Cid, Codec
from veriframe.ports.store import OnTransfer, Transfer, ignore_transfer

AHEAD_BLOCKS = 8
"""So many blocks are asked for at a time: hides the way to a source, and holds at most 18 MiB."""


class BlockSource(Protocol):
    """Whoever gives blocks: a node, or gateways. What it gives is checked here again."""

    async def block(self, cid: Cid, limit_bytes: int) -> bytes:
        """The bytes of one block. Raises `StoreUnavailable`, and `JobRejected`: NOT_FOUND, TOO_LARGE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DagLimits:
    """What one file may take. `size_bytes` counts its own bytes."""

    size_bytes: int
    blocks: int = 200_000
    depth: int = 32
    seconds: float = 3600


def fits(cid: Cid, block: bytes) -> bool:
    """Whether a block's bytes are those that its CID names."""
    return sha256(block).digest() == cid.digest


async def assemble(
    root: Cid,
    source: BlockSource,
    part: Partial,
    limits: DagLimits,
    on_progress: OnTransfer = ignore_transfer,
) -> int:
    """Make `part` the file that `root` names. Returns its size in bytes.

    Leaves that lie in `part` already are not asked for; on a failure it keeps what has come.
    Raises `JobRejected`: NOT_A_FILE, TOO_LARGE, CORRUPT, and what the source raises; `StoreUnavailable`
    where the source gives other bytes or the time is over; `HostUnavailable` where the disk is at fault.
    """
    walk = _Walk(root, source, part, limits)
    try:
        async with walk.in_time():
            size_bytes = await _write_file(walk, part, on_progress)
    finally:
        await walk.stop()
    await part.end(size_bytes)
    return size_bytes


async def _write_file(walk: _Walk, part: Partial, on_progress: OnTransfer) -> int:
    """Walk a file's blocks in the order of its bytes. Returns the size of the file."""
    size_bytes = 0
    walk.push([_Step(walk.root, None, 0, 0)])
    while (taken := await walk.take()) is not None:
        step, found = taken
        block = _checked(walk, step, found)
        if not step.depth:
            # All other sizes follow from the root's, so nothing beyond it is ever asked for.
            size_bytes = block.size_bytes
        offset, below = step.offset + len(block.data), list[_Step]()
        for link in block.parts:
            below.append(_Step(link.cid, link.size_bytes, offset, step.depth + 1))
            offset += link.size_bytes
        walk.push(below)
        if block.data:
            if not step.was_there:
                await part.write(step.offset, block.data)
            done_bytes = step.offset + len(block.data)
            on_progress(Transfer(done_bytes=done_bytes, total_bytes=size_bytes))
    return size_bytes


@dataclass(slots=True, eq=False)
class _Step:
    """One block to visit. `size_bytes` of the file, from `offset` on, are said to be in and below it."""

    cid: Cid
    size_bytes: int | None
    offset: int
    depth: int
    was_there: bool = False
    coming: asyncio.Task[Block] | None = None


class _Walk:
    """The blocks below one root, depth first, some of them asked for ahead."""

    def __init__(self, root: Cid, source: BlockSource, part: Partial, limits: DagLimits) -> None:
        self.root = root
        self.limits = limits
        self._source, self._part = source, part
        self._had_bytes = part.had_bytes()
        self._steps: list[_Step] = []  # the next one is the last
        self._coming: set[asyncio.Task[Block]] = set()
        self._pushed = 0

    def push(self, steps: Sequence[_Step]) -> None:
        """Visit these next, in their order. Raises `JobRejected` (TOO_LARGE) beyond the caps."""
        self._pushed += len(steps)
        if self._pushed > self.limits.blocks:
            raise _too_large(self.root, f"it has more than {self.limits.blocks} blocks")
        if steps and steps[0].depth > self.limits.depth:
            raise _too_large(self.root, f"its blocks lie more than {self.limits.depth} deep")
        self._steps.extend(reversed(steps))

    async def take(self) -> tuple[_Step, Block] | None:
        """The next block, decoded; None after the last."""
        if not self._steps:
            return None
        step = self._steps.pop()
        self._ask(step)
        for later in self._steps[: -AHEAD_BLOCKS - 1 : -1]:
            if len(self._coming) > AHEAD_BLOCKS:
                break
            self._ask(later)
        assert step.coming is not None
        block = await step.coming
        self._coming.discard(step.coming)
        return step, block

    async def stop(self) -> None:
        """End what is still being asked for."""
        for task in self._coming:
            task.cancel()
        await asyncio.gather(*self._coming, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def in_time(self) -> AsyncIterator[None]:
        """Raises `StoreUnavailable` when the time is over."""
        try:
            async with asyncio.timeout(self.limits.seconds):
                yield
        except TimeoutError as error:
            raise StoreUnavailable(
                f"{self.root} did not arrive within {self.limits.seconds:g} seconds. Trying again later."
            ) from error

    def _ask(self, step: _Step) -> None:
        if step.coming is None:
            step.coming = asyncio.create_task(self._bring(step))
            self._coming.add(step.coming)

    async def _bring(self, step: _Step) -> Block:
        data = await self._leaf_there(step)
        if data is not None:
            step.was_there = True
            return FileBlock(data, ())
        cid, limit_bytes = step.cid, MAX_BLOCK_BYTES
        if cid.codec is Codec.RAW and step.size_bytes is not None:
            limit_bytes = min(step.size_bytes, limit_bytes)
        block = await self._source.block(cid, limit_bytes)
        if not await asyncio.to_thread(fits, cid, block):
            raise StoreUnavailable(f"A source gave other bytes than {cid} names. Trying again later.")
        return decode_block(cid, block)

    async def _leaf_there(self, step: _Step) -> bytes | None:
        """What an earlier try, or a stream, has put where this block's bytes belong, if it is the right."""
        size_bytes = step.size_bytes
        if not size_bytes or size_bytes > MAX_BLOCK_BYTES or step.offset + size_bytes > self._had_bytes:
            return None
        data = await self._part.read(step.offset, size_bytes)
        return data if await asyncio.to_thread(is_leaf, step.cid, data) else None


def _checked(walk: _Walk, step: _Step, block: Block) -> FileBlock:
    """The block, if it can be a file or a part of one at this place."""
    if not isinstance(block, FileBlock):
        raise _not_a_file(walk.root) if not step.depth else _corrupt(walk.root, "a part of it is no file")
    if step.size_bytes is not None and block.size_bytes != step.size_bytes:
        raise _corrupt(walk.root, "one of its parts has another size than the block above says")
    if block.size_bytes > walk.limits.size_bytes:
        raise _too_large(walk.root, f"it has more than {walk.limits.size_bytes} bytes")
    return block


def _not_a_file(root: Cid) -> JobRejected:
    return JobRejected(Code.NOT_A_FILE, f"{root} is not a file. Give the CID of one file.")


def _too_large(root: Cid, why: str) -> JobRejected:
    return JobRejected(Code.TOO_LARGE, f"{root} is too large: {why}.")


def _corrupt(root: Cid, why: str) -> JobRejected:
    return JobRejected(Code.CORRUPT, f"{root} is not a sound IPFS file: {why}. Add it again.")
