"""Fetching a folder: what the worker's node has as one stream, the rest as blocks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import structlog

from veriframe.adapters.kubo.blocks.car import CarReader
from veriframe.adapters.kubo.blocks.dag import BlockSource
from veriframe.adapters.kubo.blocks.mismatch import ContentMismatch
from veriframe.adapters.kubo.blocks.tree import Tree
from veriframe.adapters.kubo.blocks.unixfs import MAX_BLOCK_BYTES
from veriframe.adapters.kubo.fetching.download import Timeouts, TransferRate
from veriframe.adapters.kubo.fetching.file_fetcher import KuboBlocks, in_turn
from veriframe.adapters.kubo.files.partial import WRITE_BYTES, writing
from veriframe.adapters.kubo.node.api import KuboApi, NodeRefused, Query
from veriframe.errors import StoreUnavailable
from veriframe.ports.store import OnTransfer, Transfer
from veriframe.threads import run_uninterrupted

log = structlog.get_logger()

BLOCKS_AT_ONCE = 16
"""The number of blocks requested at a time: hides the latency of a source, and holds at most 32 MiB."""

_STREAM_SLACK_BYTES = 2**26


class FolderFetcher:
    """Fetches what a tree awaits: from a node, and from `sources` for what the node lacks."""

    def __init__(self, api: KuboApi, sources: Sequence[BlockSource], timeouts: Timeouts) -> None:
        self._api, self._timeouts = api, timeouts
        self._node = KuboBlocks(api, timeouts.lookup_seconds)
        self._sources = tuple(sources)

    async def fetch(self, tree: Tree, folder: Path, on_progress: OnTransfer) -> None:
        """Completes the tree in `folder`. Raises what `ContentStore.fetch_folder` does."""

        def on_bytes() -> None:
            on_progress(Transfer(done_bytes=tree.done_bytes, total_bytes=None))

        async def complete(source: BlockSource) -> None:
            # What an earlier attempt left is not fetched again: an export is all or nothing.
            if source is self._node and tree.is_new:
                await self._stream(tree, on_bytes)
            await self._blocks(tree, source, on_bytes)

        with writing(folder):
            try:
                await in_turn(tree.root, (self._node, *self._sources), complete)
            finally:
                tree.close()

    async def _stream(self, tree: Tree, on_bytes: Callable[[], None]) -> None:
        """Reads what the node has, in one stream. Blocks that it lacks are requested next."""
        query: Query = {"arg": str(tree.root), "local-only": "true", "progress": "false"}
        reader, received_bytes = CarReader(), 0
        waiting, waiting_bytes = list[bytes](), 0
        try:
            async with self._api.post(
                "dag/export", query, None, quiet_seconds=self._timeouts.quiet_seconds
            ) as answer:
                rate = TransferRate(self._timeouts, tree.root)
                async for piece in answer.pieces():
                    waiting.append(piece)
                    waiting_bytes += len(piece)
                    received_bytes += len(piece)
                    rate.count(len(piece))
                    if waiting_bytes >= WRITE_BYTES:
                        await run_uninterrupted(tree.take, reader, b"".join(waiting))
                        waiting, waiting_bytes = [], 0
                        on_bytes()
                    # Blocks that were not requested are skipped, up to a limit.
                    if received_bytes > 2 * tree.done_bytes + _STREAM_SLACK_BYTES:
                        raise ContentMismatch("its export has far more bytes than the folder")
            await run_uninterrupted(tree.take, reader, b"".join(waiting))
        except (ContentMismatch, StoreUnavailable) as error:
            log.info("store_stream_distrusted", cid=str(tree.root), reason=str(error))

    async def _blocks(self, tree: Tree, source: BlockSource, on_bytes: Callable[[], None]) -> None:
        """Requests missing blocks until none is missing. Waits a limited time for an unavailable source."""
        stuck_since = time.monotonic()
        while tree.awaited:
            before = len(tree.awaited), tree.done_bytes
            try:
                await self._some_blocks(tree, source)
            except NodeRefused:
                raise
            except StoreUnavailable:
                if time.monotonic() - stuck_since > self._timeouts.away_seconds:
                    raise
                await asyncio.sleep(min(1.0, self._timeouts.away_seconds / 10))
            if (len(tree.awaited), tree.done_bytes) != before:
                stuck_since = time.monotonic()
            on_bytes()

    async def _some_blocks(self, tree: Tree, source: BlockSource) -> None:
        cids = list(islice(tree.awaited, BLOCKS_AT_ONCE))
        asked = [source.block(cid, MAX_BLOCK_BYTES) for cid in cids]
        failure: BaseException | None = None
        for cid, block in zip(cids, await asyncio.gather(*asked, return_exceptions=True), strict=True):
            if isinstance(block, BaseException):
                failure = failure or block
                continue
            try:
                await run_uninterrupted(tree.put, cid, block)
            except ContentMismatch as error:
                failure = StoreUnavailable(f"A source is not trustworthy: {error}. Trying again later.")
        if failure is not None:
            raise failure
