"""Fetching a file: from the worker's node as a stream, then as blocks; then from other sources as blocks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import structlog

from veriframe.adapters.kubo.blocks.dag import BlockSource, DagLimits, assemble, fits
from veriframe.adapters.kubo.blocks.mismatch import ContentMismatch
from veriframe.adapters.kubo.blocks.unixfs import MAX_BLOCK_BYTES, FileBlock, decode_block
from veriframe.adapters.kubo.fetching.download import Download, Timeouts
from veriframe.adapters.kubo.files.partial import Partial
from veriframe.adapters.kubo.node.api import KuboApi, NodeRefused
from veriframe.errors import Code, JobRejected, StoreUnavailable
from veriframe.model.content.cid import Cid
from veriframe.ports.store import OnTransfer, Transfer

log = structlog.get_logger()

T = TypeVar("T")


class KuboBlocks(BlockSource):
    """A node as a source of single blocks."""

    def __init__(self, api: KuboApi, lookup_seconds: float) -> None:
        self._api, self._lookup_seconds = api, lookup_seconds

    async def block(self, cid: Cid, limit_bytes: int) -> bytes:
        """Returns the bytes of one block, unchecked. Raises as `BlockSource` does."""
        try:
            async with self._api.post("block/get", {"arg": str(cid)}, self._lookup_seconds) as answer:
                block = await answer.body(MAX_BLOCK_BYTES)
        except NodeRefused as error:
            if error.is_absence:
                raise JobRejected(Code.NOT_FOUND, f"No node provides {cid}: {error.message}.") from error
            raise
        if len(block) > limit_bytes and fits(cid, block):
            raise JobRejected(Code.TOO_LARGE, f"{cid} has more than {limit_bytes} bytes.")
        return block


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRequest:
    """One file to fetch: its partial file, its target, its size limit, and who is notified of progress."""

    cid: Cid
    part: Partial
    target: Path
    limit_bytes: int
    on_progress: OnTransfer

    def on_bytes(self, total_bytes: int) -> Callable[[int], None]:
        """Returns a function that reports how many of `total_bytes` have arrived."""

        def on_bytes(done_bytes: int) -> None:
            self.on_progress(Transfer(done_bytes=done_bytes, total_bytes=total_bytes))

        return on_bytes


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


class FileFetcher:
    """Fetches files from a node, and from `sources` if the node lacks them or returns wrong bytes."""

    def __init__(self, api: KuboApi, sources: Sequence[BlockSource], timeouts: Timeouts) -> None:
        self._api, self._timeouts = api, timeouts
        self._node = KuboBlocks(api, timeouts.lookup_seconds)
        self._sources = tuple(sources)

    async def fetch(self, request: FetchRequest) -> int:
        """Fetches the file to its target. Returns its size in bytes. Raises as `ContentStore.fetch` does."""

        async def fetch_from(source: BlockSource) -> int:
            if source is self._node:
                return await self._from_node(request)
            return await self._from_blocks(request, source)

        return await in_turn(request.cid, (self._node, *self._sources), fetch_from)

    async def _from_node(self, request: FetchRequest) -> int:
        cid, part, root = request.cid, request.part, await self._root(request.cid)
        if root.size_bytes > request.limit_bytes:
            raise JobRejected(Code.TOO_LARGE, f"{cid} is larger than {request.limit_bytes} bytes.")
        if not root.parts:
            await part.resume(0)
            await part.append([root.data])
        else:
            await part.resume(root.size_bytes)
            stream = Download(self._api, cid, self._timeouts, request.on_bytes(root.size_bytes))
            try:
                await stream.complete(part, root.size_bytes)
            except (ContentMismatch, NodeRefused) as error:
                log.info("store_stream_distrusted", cid=str(cid), reason=str(error))
            if not await part.fits():
                # Other import options, or wrong bytes: the blocks show which, and the right bytes of the
                # stream stay.
                return await self._from_blocks(request, self._node)
        await part.place(request.target)
        return root.size_bytes

    async def _root(self, cid: Cid) -> FileBlock:
        """Returns the file's root block, checked. Its sizes are the creator's claim, but not the node's."""
        block = await self._node.block(cid, MAX_BLOCK_BYTES)
        if not fits(cid, block):
            raise StoreUnavailable(f"The IPFS node returned bytes that do not match {cid}. Check its disk.")
        root = decode_block(cid, block)
        if not isinstance(root, FileBlock):
            raise JobRejected(Code.NOT_A_FILE, f"{cid} is not a file. Give the CID of the file itself.")
        return root

    async def _from_blocks(self, request: FetchRequest, source: BlockSource) -> int:
        limits = DagLimits(size_bytes=request.limit_bytes, seconds=self._timeouts.total_seconds)
        size_bytes = await assemble(request.cid, source, request.part, limits, request.on_progress)
        await request.part.place(request.target)
        return size_bytes
