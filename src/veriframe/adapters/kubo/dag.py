"""Files and folders put together from blocks, each checked against its own CID.

So it does not matter who gave a block, nor by which options the file was once added: chunk sizes, widths
and versions of CIDs may be any. What the blocks say (sizes, names) is their maker's word, and is capped.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Protocol

from veriframe.adapters.kubo.unixfs import (
    MAX_BLOCK_BYTES,
    Block,
    FileBlock,
    FolderBlock,
    Link,
    ShardBlock,
    decode_block,
)
from veriframe.errors import Code, HostUnavailable, JobRejected, StoreUnavailable
from veriframe.model.cid import Cid, Codec

AHEAD_BLOCKS = 8
"""So many blocks are asked for at a time: hides the way to a source, and holds at most 18 MiB."""


class BlockSource(Protocol):
    """Whoever gives blocks: a node, or gateways. What it gives is checked here again."""

    async def block(self, cid: Cid, limit_bytes: int) -> bytes:
        """The bytes of one block. Raises `StoreUnavailable`, and `JobRejected`: NOT_FOUND, TOO_LARGE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DagLimits:
    """What one file or folder may take. `size_bytes` counts the bytes of the file."""

    size_bytes: int
    blocks: int = 200_000
    depth: int = 32
    entries: int = 10_000
    seconds: float = 3600


def fits(cid: Cid, block: bytes) -> bool:
    """Whether a block's bytes are those that its CID names."""
    return sha256(block).digest() == cid.digest


async def assemble(
    root: Cid,
    source: BlockSource,
    target: Path,
    limits: DagLimits,
    on_bytes: Callable[[int], None] | None = None,
) -> int:
    """Write the file that `root` names to `target`, a new file. Returns its size in bytes.

    On any failure `target` is removed again. `on_bytes` hears how many bytes are written so far.
    Raises `JobRejected`: NOT_A_FILE, TOO_LARGE, CORRUPT, and what the source raises; `StoreUnavailable`
    where the source gives other bytes or the time is over; `HostUnavailable` where the disk is at fault.
    """
    try:
        opened = _open_new(target)
    except OSError as error:
        raise HostUnavailable(f"{target} cannot be written: {error.strerror}.") from error
    walk = _Walk(root, source, limits)
    complete = False
    try:
        with opened:
            async with walk.in_time():
                size_bytes = await _write_file(walk, opened, on_bytes)
        complete = True
    except OSError as error:
        raise HostUnavailable(f"{target} cannot be written: {error.strerror}.") from error
    finally:
        await walk.stop()
        if not complete:
            _remove(target)
    return size_bytes


async def list_folder(root: Cid, source: BlockSource, limits: DagLimits) -> Sequence[Link]:
    """The entries of a folder, large ones (HAMT) too, sorted by name. Raises like `assemble`.

    An entry may be anything: a file, a folder, a symlink that `assemble` will refuse.
    """
    walk = _Walk(root, source, limits)
    entries = dict[str, Link]()
    try:
        async with walk.in_time():
            walk.push([_Step(root, None, 0)])
            while (taken := await walk.take()) is not None:
                step, block = taken
                if not isinstance(block, ShardBlock) and not (
                    isinstance(block, FolderBlock) and not step.depth
                ):
                    raise _not_a(root, "folder") if not step.depth else _corrupt(root, "its shards are none")
                for entry in block.entries:
                    if entries.setdefault(entry.name, entry) is not entry:
                        raise _corrupt(root, f"two of its entries are named {entry.name[:40]!a}")
                if len(entries) > limits.entries:
                    raise _too_large(root, f"it has more than {limits.entries} entries")
                if isinstance(block, ShardBlock):
                    walk.push([_Step(shard, None, step.depth + 1) for shard in block.shards])
    finally:
        await walk.stop()
    return [entries[name] for name in sorted(entries)]


async def _write_file(walk: _Walk, opened: BinaryIO, on_bytes: Callable[[int], None] | None) -> int:
    """Walk a file's blocks in the order of its bytes."""
    written = 0
    walk.push([_Step(walk.root, None, 0)])
    while (taken := await walk.take()) is not None:
        step, block = taken
        if not isinstance(block, FileBlock):
            raise (
                _not_a(walk.root, "file")
                if not step.depth
                else _corrupt(walk.root, "a part of it is no file")
            )
        if step.size_bytes is not None and block.size_bytes != step.size_bytes:
            raise _corrupt(walk.root, "one of its parts has another size than the block above says")
        # All other sizes follow from the root's, so nothing beyond it is ever asked for.
        if block.size_bytes > walk.limits.size_bytes:
            raise _too_large(walk.root, f"it has more than {walk.limits.size_bytes} bytes")
        walk.push([_Step(part.cid, part.size_bytes, step.depth + 1) for part in block.parts])
        if block.data:
            await asyncio.to_thread(opened.write, block.data)
            written += len(block.data)
            if on_bytes is not None:
                on_bytes(written)
    await asyncio.to_thread(_sync, opened)
    return written


@dataclass(slots=True, eq=False)
class _Step:
    """One block to visit. `size_bytes` is how much of the file is said to be in and below it."""

    cid: Cid
    size_bytes: int | None
    depth: int
    coming: asyncio.Task[Block] | None = None


class _Walk:
    """The blocks below one root, depth first, some of them asked for ahead."""

    def __init__(self, root: Cid, source: BlockSource, limits: DagLimits) -> None:
        self.root = root
        self.limits = limits
        self._source = source
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
            step.coming = asyncio.create_task(self._fetch(step.cid, step.size_bytes))
            self._coming.add(step.coming)

    async def _fetch(self, cid: Cid, size_bytes: int | None) -> Block:
        limit_bytes = MAX_BLOCK_BYTES
        if cid.codec is Codec.RAW and size_bytes is not None:
            limit_bytes = min(size_bytes, limit_bytes)
        block = await self._source.block(cid, limit_bytes)
        if not await asyncio.to_thread(fits, cid, block):
            raise StoreUnavailable(f"A source gave other bytes than {cid} names. Trying again later.")
        return decode_block(cid, block)


def _open_new(path: Path) -> BinaryIO:
    # Not in a thread: cancelled meanwhile, it would leave a file that nobody knows of.
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400), "wb")


def _remove(path: Path) -> None:
    # Not in a thread: it must happen even where this task is being cancelled.
    path.unlink(missing_ok=True)


def _sync(opened: BinaryIO) -> None:
    opened.flush()
    os.fsync(opened.fileno())


def _not_a(root: Cid, kind: str) -> JobRejected:
    return JobRejected(Code.NOT_A_FILE, f"{root} is not a {kind}. Give the CID of one {kind}.")


def _too_large(root: Cid, why: str) -> JobRejected:
    return JobRejected(Code.TOO_LARGE, f"{root} is too large: {why}.")


def _corrupt(root: Cid, why: str) -> JobRejected:
    return JobRejected(Code.CORRUPT, f"{root} is not a sound IPFS file: {why}. Add it again.")
