"""A file assembled from blocks, each checked against its own CID.

So neither the source of a block nor the import options of the file matter: any chunk size, width and CID
version works. The sizes stated in blocks are their creator's claim, and are capped.
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
"""The number of blocks requested at a time: hides the latency of a source, and holds at most 18 MiB."""


class BlockSource(Protocol):
    """A source of blocks: a node, or gateways. Its blocks are checked again here."""

    async def block(self, cid: Cid, limit_bytes: int) -> bytes:
        """Returns one block's bytes. Raises `StoreUnavailable`, and `JobRejected`: NOT_FOUND, TOO_LARGE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DagLimits:
    """Limits for one file. `size_bytes` counts its own bytes."""

    size_bytes: int
    blocks: int = 200_000
    depth: int = 32
    seconds: float = 3600


def fits(cid: Cid, block: bytes) -> bool:
    """Whether a block's bytes match its CID."""
    return sha256(block).digest() == cid.digest


async def assemble(
    root: Cid,
    source: BlockSource,
    part: Partial,
    limits: DagLimits,
    on_progress: OnTransfer = ignore_transfer,
) -> int:
    """Makes `part` the file that `root` names. Returns its size in bytes.

    Leaves that are already in `part` are not requested; after a failure it keeps what has arrived.
    Raises `JobRejected`: NOT_A_FILE, TOO_LARGE, CORRUPT, and what the source raises; `StoreUnavailable`
    if the source returns wrong bytes or the time is over; `HostUnavailable` if the disk is at fault.
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
    """Walks a file's blocks in byte order. Returns the size of the file."""
    size_bytes = 0
    walk.push([_Step(walk.root, None, 0, 0)])
    while (taken := await walk.take()) is not None:
        step, found = taken
        block = _checked(walk, step, found)
        if not step.depth:
            # All other sizes follow from the root's, so nothing beyond it is ever requested.
            size_bytes = block.size_bytes
        offset, below = step.offset + len(block.data), list[_Step]()
        for link in block.parts:
            below.append(_Step(link.cid, link.size_bytes, offset, step.depth + 1))
            offset += link.size_bytes
        walk.push(below)
        if block.data:
            if not step.was_on_disk:
                await part.write(step.offset, block.data)
            done_bytes = step.offset + len(block.data)
            on_progress(Transfer(done_bytes=done_bytes, total_bytes=size_bytes))
    return size_bytes


@dataclass(slots=True, eq=False)
class _Step:
    """One block to visit. With those below, it claims to hold `size_bytes` of the file, from `offset` on."""

    cid: Cid
    size_bytes: int | None
    offset: int
    depth: int
    was_on_disk: bool = False
    pending: asyncio.Task[Block] | None = None


class _Walk:
    """The blocks below one root, depth first, some of them requested ahead."""

    def __init__(self, root: Cid, source: BlockSource, part: Partial, limits: DagLimits) -> None:
        self.root = root
        self.limits = limits
        self._source, self._part = source, part
        self._had_bytes = part.had_bytes()
        self._steps: list[_Step] = []  # the next one is the last
        self._pending: set[asyncio.Task[Block]] = set()
        self._pushed = 0

    def push(self, steps: Sequence[_Step]) -> None:
        """Visits these next, in their order. Raises `JobRejected` (TOO_LARGE) beyond the limits."""
        self._pushed += len(steps)
        if self._pushed > self.limits.blocks:
            raise _too_large(self.root, f"it has more than {self.limits.blocks} blocks")
        if steps and steps[0].depth > self.limits.depth:
            raise _too_large(self.root, f"its blocks lie more than {self.limits.depth} deep")
        self._steps.extend(reversed(steps))

    async def take(self) -> tuple[_Step, Block] | None:
        """Returns the next block, decoded; None after the last."""
        if not self._steps:
            return None
        step = self._steps.pop()
        self._request(step)
        for later in self._steps[: -AHEAD_BLOCKS - 1 : -1]:
            if len(self._pending) > AHEAD_BLOCKS:
                break
            self._request(later)
        assert step.pending is not None
        block = await step.pending
        self._pending.discard(step.pending)
        return step, block

    async def stop(self) -> None:
        """Cancels the pending requests."""
        for task in self._pending:
            task.cancel()
        await asyncio.gather(*self._pending, return_exceptions=True)

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

    def _request(self, step: _Step) -> None:
        if step.pending is None:
            step.pending = asyncio.create_task(self._load(step))
            self._pending.add(step.pending)

    async def _load(self, step: _Step) -> Block:
        data = await self._leaf_on_disk(step)
        if data is not None:
            step.was_on_disk = True
            return FileBlock(data, ())
        cid, limit_bytes = step.cid, MAX_BLOCK_BYTES
        if cid.codec is Codec.RAW and step.size_bytes is not None:
            limit_bytes = min(step.size_bytes, limit_bytes)
        block = await self._source.block(cid, limit_bytes)
        if not await asyncio.to_thread(fits, cid, block):
            raise StoreUnavailable(f"A source returned bytes that do not match {cid}. Trying again later.")
        return decode_block(cid, block)

    async def _leaf_on_disk(self, step: _Step) -> bytes | None:
        """Returns what an earlier attempt or a stream wrote at this block's place, if it is right."""
        size_bytes = step.size_bytes
        if not size_bytes or size_bytes > MAX_BLOCK_BYTES or step.offset + size_bytes > self._had_bytes:
            return None
        data = await self._part.read(step.offset, size_bytes)
        return data if await asyncio.to_thread(is_leaf, step.cid, data) else None


def _checked(walk: _Walk, step: _Step, block: Block) -> FileBlock:
    """Returns the block if it can be a file or a part of one at this place."""
    if not isinstance(block, FileBlock):
        raise (
            _not_a_file(walk.root) if not step.depth else _corrupt(walk.root, "a part of it is not a file")
        )
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
    return JobRejected(Code.CORRUPT, f"{root} is not a valid IPFS file: {why}. Add it again.")
