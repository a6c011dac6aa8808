"""A Kubo node as a source: single blocks, and streams of what it has or finds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import structlog

from veriframe.adapters.kubo.blocks.car import CarReader
from veriframe.adapters.kubo.blocks.mismatch import ContentMismatch
from veriframe.adapters.kubo.blocks.tree import Tree
from veriframe.adapters.kubo.blocks.unixfs import MAX_BLOCK_BYTES
from veriframe.adapters.kubo.fetching.fetcher import BlockSource
from veriframe.adapters.kubo.fetching.timeouts import Timeouts, TooSlow, TransferRate
from veriframe.adapters.kubo.node.api import KuboApi, NodeRefused, Query
from veriframe.errors import Code, JobRejected, StoreUnavailable
from veriframe.model.content.cid import Cid
from veriframe.threads import run_uninterrupted

log = structlog.get_logger()

WRITE_BYTES = 2**20

_STREAM_SLACK_BYTES = 2**26


class KuboNode(BlockSource):
    """A node's blocks. A file is streamed, resumed where it ended; of a folder, what the node has."""

    def __init__(self, api: KuboApi, timeouts: Timeouts) -> None:
        self._api, self._timeouts = api, timeouts

    async def block(self, cid: Cid) -> bytes:
        """Returns the bytes of one block, unchecked. Raises as `BlockSource` does."""
        query, seconds = {"arg": str(cid)}, self._timeouts.lookup_seconds
        try:
            async with self._api.post("block/get", query, seconds) as answer:
                return await answer.body(MAX_BLOCK_BYTES)
        except NodeRefused as error:
            if error.is_absence:
                raise JobRejected(Code.NOT_FOUND, f"No node provides {cid}: {error.message}.") from error
            raise

    async def stream(self, tree: Tree, on_bytes: Callable[[int], None]) -> None:
        """Streams a file, or exports a folder."""
        try:
            if not tree.is_folder:
                await self._resume_file(tree, on_bytes)
            # What an earlier attempt left is not fetched again: an export is all or nothing.
            elif tree.is_new:
                await self._export(tree, on_bytes)
        except (ContentMismatch, NodeRefused) as error:
            log.info("store_stream_distrusted", cid=str(tree.root), reason=str(error))

    async def _resume_file(self, tree: Tree, on_bytes: Callable[[int], None]) -> None:
        """Streams what the file lacks at its end, resumed after interruptions. Nothing is checked yet."""
        stuck_since, short_ends = time.monotonic(), 0
        while tree.file_bytes < tree.size_bytes:
            before, cut = tree.file_bytes, None
            try:
                await self._file(tree, on_bytes)
            except (TooSlow, NodeRefused):
                raise
            except StoreUnavailable as error:
                cut = error
            # A few bytes on each attempt are no progress: otherwise a node could keep this loop going for
            # ever.
            if tree.file_bytes - before >= WRITE_BYTES:
                stuck_since, short_ends = time.monotonic(), 0
            if tree.file_bytes == tree.size_bytes:
                return
            short_ends += cut is None
            if short_ends > 2:
                raise ContentMismatch(f"its stream ends after {tree.file_bytes} of {tree.size_bytes} bytes")
            if cut is not None and time.monotonic() - stuck_since > self._timeouts.away_seconds:
                raise cut
            await asyncio.sleep(min(1.0, self._timeouts.away_seconds / 10))

    async def _file(self, tree: Tree, on_bytes: Callable[[int], None]) -> None:
        async def take(pieces: Sequence[bytes]) -> None:
            if tree.file_bytes + sum(map(len, pieces)) > tree.size_bytes:
                raise ContentMismatch(f"its stream has more than {tree.size_bytes} bytes")
            await run_uninterrupted(tree.extend, pieces)
            on_bytes(tree.file_bytes)

        await self._receive(tree.root, "cat", {"offset": tree.file_bytes}, take)

    async def _export(self, tree: Tree, on_bytes: Callable[[int], None]) -> None:
        """Reads the blocks that the node has, in one stream. Blocks that it lacks are requested next."""
        reader, received_bytes = CarReader(), 0

        async def take(pieces: Sequence[bytes]) -> None:
            nonlocal received_bytes
            received_bytes += sum(map(len, pieces))
            await run_uninterrupted(tree.take, reader, b"".join(pieces))
            on_bytes(tree.done_bytes)
            # Blocks that were not requested are skipped, up to a limit.
            if received_bytes > 2 * tree.done_bytes + _STREAM_SLACK_BYTES:
                raise ContentMismatch("its export has far more bytes than the folder")

        try:
            await self._receive(tree.root, "dag/export", {"local-only": "true"}, take)
        except StoreUnavailable as error:
            log.info("store_stream_distrusted", cid=str(tree.root), reason=str(error))

    async def _receive(
        self, cid: Cid, endpoint: str, options: Query, take: Callable[[Sequence[bytes]], Awaitable[None]]
    ) -> None:
        """Receives a stream; `take` gets about `WRITE_BYTES` at once. An interruption loses nothing."""
        query: Query = {"arg": str(cid), "progress": "false", **options}
        # Kept as they arrived: joining them would cost as much as hashing them.
        waiting, waiting_bytes, quiet_seconds = list[bytes](), 0, self._timeouts.quiet_seconds
        try:
            async with self._api.post(endpoint, query, None, quiet_seconds=quiet_seconds) as answer:
                rate = TransferRate(self._timeouts, cid)
                async for piece in answer.pieces():
                    waiting.append(piece)
                    waiting_bytes += len(piece)
                    rate.count(len(piece))
                    if waiting_bytes >= WRITE_BYTES:
                        ready, waiting, waiting_bytes = waiting, [], 0
                        await take(ready)
        except StoreUnavailable:
            await take(waiting)
            raise
        await take(waiting)
