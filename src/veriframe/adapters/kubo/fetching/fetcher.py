"""Fetching a file or a folder: from the worker's node first, then from other sources."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

import structlog

from veriframe.adapters.kubo.blocks.hamt import hash_of, slot, slot_bits
from veriframe.adapters.kubo.blocks.mismatch import ContentMismatch, fits
from veriframe.adapters.kubo.blocks.tree import Tree
from veriframe.adapters.kubo.blocks.unixfs import Block, FileBlock, ShardBlock, SymlinkBlock, decode_block
from veriframe.adapters.kubo.fetching.timeouts import Timeouts
from veriframe.adapters.kubo.files.staging import place, staged, writing
from veriframe.adapters.kubo.node.api import NodeRefused
from veriframe.errors import Code, JobRejected, StoreUnavailable
from veriframe.model.content.cid import Cid
from veriframe.ports.store import (
    Fetched,
    FetchLimits,
    OnTransfer,
    Transfer,
    ignore_transfer,
    no_entry,
    path_names,
)
from veriframe.threads import run_uninterrupted

log = structlog.get_logger()

T = TypeVar("T")

BLOCKS_AT_ONCE = 16
"""The number of blocks requested at a time: hides the latency of a source, and holds at most 32 MiB."""


class BlockSource(Protocol):
    """A source of blocks: a node, or gateways. What it returns is checked here."""

    @abstractmethod
    async def block(self, cid: Cid) -> bytes:
        """Returns one block's bytes. Raises `StoreUnavailable`, and `JobRejected` (NOT_FOUND)."""

    async def stream(self, tree: Tree, on_bytes: Callable[[int], None]) -> None:
        """Gives a tree many blocks at once, if the source can. Whatever it lacks is requested afterwards.

        `on_bytes` receives how many bytes have arrived. Raises `StoreUnavailable`, `JobRejected`.
        """
        return

    async def reach(self) -> Mapping[str, str]:
        """Returns, by place, why it does not serve, or an empty text; nothing if it cannot be asked."""
        return {}

    async def close(self) -> None:
        """Closes all connections. May be called twice."""
        return


async def in_turn(
    cid: Cid, sources: Sequence[BlockSource], fetch_from: Callable[[BlockSource], Awaitable[T]]
) -> T:
    """Returns what `fetch_from` returns for the first source that it does not fail with.

    Raises `JobRejected` at once, except NOT_FOUND, which is raised only if no source has the content;
    otherwise `StoreUnavailable`.
    """
    failure: JobRejected | StoreUnavailable | None = None
    for number, source in enumerate(sources):
        try:
            return await fetch_from(source)
        except JobRejected as error:
            if error.code is not Code.NOT_FOUND:
                raise
            reason, failure = str(error), failure or error
        except StoreUnavailable as error:
            # A source that is unavailable now may have the content: that outweighs those that do not have it.
            reason = str(error)
            failure = failure if isinstance(failure, StoreUnavailable) else error
        log.info("store_source_failed", cid=str(cid), source=number, reason=reason)
    assert failure is not None
    raise failure


class Fetcher:
    """Fetches from `sources`, each asked for what those before it lack or have wrong."""

    def __init__(self, sources: Sequence[BlockSource], timeouts: Timeouts) -> None:
        self._sources, self._timeouts = tuple(sources), timeouts

    async def find(self, cid: Cid, path: str) -> Cid:
        """Returns the CID of the entry at `path` within a folder; only the folders above it are fetched.

        Raises `JobRejected`: NOT_A_FILE if the path leads through a file, CORRUPT if there is no such entry.
        """
        for name in path_names(path):
            folder, wanted = cid, name
            cid = await in_turn(
                folder,
                self._sources,
                lambda source: _entry(folder, wanted, source),  # noqa: B023 - awaited
            )
        return cid

    async def block(self, cid: Cid) -> Block:
        """Returns a block, checked and decoded, from the first source that has it.

        Raises `JobRejected` (NOT_FOUND, CORRUPT), `StoreUnavailable`.
        """
        _, _, block = await in_turn(cid, self._sources, lambda source: _root(cid, source))
        return block

    async def fetch(
        self, cid: Cid, target: Path, limits: FetchLimits, on_progress: OnTransfer = ignore_transfer
    ) -> Fetched:
        """Fetches a file or folder to its target. Raises as `ContentStore.fetch` does."""
        source, root, block = await in_turn(cid, self._sources, lambda source: _root(cid, source))
        total_bytes, most_bytes = _file_bytes(cid, block, limits), 0

        def on_bytes(done_bytes: int) -> None:
            # What has arrived as a stream is counted again when it is checked.
            nonlocal most_bytes
            if done_bytes > most_bytes:
                most_bytes = done_bytes
                on_progress(Transfer(done_bytes=done_bytes, total_bytes=total_bytes))

        async def complete(source: BlockSource) -> None:
            await source.stream(tree, on_bytes)
            await run_uninterrupted(tree.put, cid, root)
            on_bytes(tree.done_bytes)
            await self._blocks(tree, source, on_bytes)

        async with staged(cid, target.parent, is_folder=total_bytes is None) as path:
            with writing(path):
                tree = await run_uninterrupted(Tree, cid, path, limits.folder, total_bytes)
                try:
                    await in_turn(cid, self._sources[self._sources.index(source) :], complete)
                finally:
                    tree.close()
            await run_uninterrupted(place, path, target)
        return Fetched(is_folder=tree.is_folder, size_bytes=tree.size_bytes)

    async def _blocks(self, tree: Tree, source: BlockSource, on_bytes: Callable[[int], None]) -> None:
        """Requests missing blocks until none is missing. Waits a limited time for an unavailable source."""
        stuck_since = time.monotonic()
        while tree.awaited:
            before = len(tree.awaited), tree.done_bytes
            try:
                await _some_blocks(tree, source)
            except NodeRefused:
                raise
            except StoreUnavailable:
                if time.monotonic() - stuck_since > self._timeouts.away_seconds:
                    raise
                await asyncio.sleep(min(1.0, self._timeouts.away_seconds / 10))
            if (len(tree.awaited), tree.done_bytes) != before:
                stuck_since = time.monotonic()
            on_bytes(tree.done_bytes)


async def _root(cid: Cid, source: BlockSource) -> tuple[BlockSource, bytes, Block]:
    content = await source.block(cid)
    # Decoding a block of many links takes a tenth of a second.
    return source, content, await run_uninterrupted(_checked, cid, content)


def _checked(cid: Cid, content: bytes) -> Block:
    if not fits(cid, content):
        raise StoreUnavailable(f"A source returned bytes that do not match {cid}. Trying again later.")
    return decode_block(cid, content)


async def _entry(folder: Cid, name: str, source: BlockSource) -> Cid:
    """Returns the CID of a folder's entry. Of a large folder, only the shards of the name's hash are read."""
    cid, name_hash, used_bits = folder, hash_of(name), 0
    while True:
        _, _, block = await _root(cid, source)
        if isinstance(block, FileBlock | SymlinkBlock):
            raise JobRejected(Code.NOT_A_FILE, f"{folder} is a file or a link, not a folder.")
        for entry in block.entries:
            if entry.name == name:
                return entry.cid
        place = slot(name_hash, used_bits, block.fanout) if isinstance(block, ShardBlock) else -1
        if not isinstance(block, ShardBlock) or place not in block.shards:
            raise no_entry(str(folder), name)
        cid, used_bits = block.shards[place], used_bits + slot_bits(block.fanout)


def _file_bytes(cid: Cid, block: Block, limits: FetchLimits) -> int | None:
    """Returns the size of a file, which its maker states in its first block; None for a folder.

    Raises `JobRejected` (NOT_A_FILE, TOO_LARGE) if the limits do not allow it.
    """
    if isinstance(block, SymlinkBlock):
        raise JobRejected(Code.NOT_A_FILE, f"{cid} is a symbolic link, and links are not followed.")
    if not isinstance(block, FileBlock):
        limits.check_folder(str(cid))
        return None
    limits.check_file(str(cid), block.size_bytes)
    return block.size_bytes


async def _some_blocks(tree: Tree, source: BlockSource) -> None:
    cids = list(islice(tree.awaited, BLOCKS_AT_ONCE))
    failure: BaseException | None = None
    asked = asyncio.gather(*map(source.block, cids), return_exceptions=True)
    for cid, block in zip(cids, await asked, strict=True):
        if isinstance(block, BaseException):
            failure = failure or block
            continue
        try:
            await run_uninterrupted(tree.put, cid, block)
        except ContentMismatch as error:
            failure = StoreUnavailable(f"A source is not trustworthy: {error}. Trying again later.")
    if failure is not None:
        raise failure
