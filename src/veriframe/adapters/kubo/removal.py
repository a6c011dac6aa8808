"""Removes the blocks of a DAG from a node, except those that somebody keeps there.

Kubo's `block/rm` is not enough: it compares pins by CID, but removes by hash, so that a stranger's link to a
pinned block under another codec would destroy it (seen with 0.42); and it does not look at MFS. Here the
hashes of all that is pinned or in MFS are taken out first.
"""

from __future__ import annotations

import base64
import re
import time
from asyncio import to_thread
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from itertools import islice

from veriframe.adapters.kubo.api import Answer, KuboApi, NodeRefused, Query
from veriframe.errors import JobRejected, StoreUnavailable
from veriframe.model.cid import parse_cid

CHUNK_BLOCKS = 20_000
"""So many are looked up among the kept ones at once: 5 GB of a usual file."""
BATCH_BLOCKS = 500
"""For one call, at most: their CIDs make 32 kB of a URL."""
FIRST_BLOCKS = 16
BATCH_SECONDS = 1.0
"""What a call is to take. Kubo walks through its pins for each CID, and lets nobody pin meanwhile."""
STACK_BLOCKS = 200_000
"""Of blocks that are still to visit. A stranger may have links by the million."""

CALL_SECONDS = 60.0
LIST_SECONDS = 300.0
"""For a node to list all that it pins: it walks through it."""

_PINNED = re.compile(rb'"([A-Za-z0-9]{46,200})":\{"Type"')
_TAIL_BYTES = 256
_RAW = "bafk"
"""How CIDs of raw blocks begin: these have no links, and are not read."""


class _Link(Answer):
    Ref: str
    Err: str = ""


class _Files(Answer):
    Hash: str


class Walk:
    """The blocks of one DAG that are on a node. `is_whole` afterwards: all of them were visited."""

    def __init__(self, api: KuboApi) -> None:
        self._api = api
        self.is_whole = True

    async def blocks(self, root: str) -> AsyncIterator[str]:
        """CIDs as Kubo spells them, of all blocks at and below `root`, children first.

        The leaves below a block that is there may be absent.
        """
        stack, seen = [(root, False)], {root}
        while stack:
            cid, is_visited = stack.pop()
            if is_visited or cid.startswith(_RAW):
                yield cid
                continue
            stack.append((cid, True))
            async for child in self._links(cid):
                if child.startswith(_RAW):
                    yield child
                elif child not in seen:
                    seen.add(child)
                    stack.append((child, False))
            if len(stack) > STACK_BLOCKS:
                # The top goes on. What is dropped keeps its way from the root, and is found again.
                del stack[: -STACK_BLOCKS // 2]
                self.is_whole = False
            if len(seen) > STACK_BLOCKS:
                seen.clear()

    async def _links(self, cid: str) -> AsyncIterator[str]:
        """What a block leads to, as the node itself sees it; nothing for a block that it does not have."""
        query: Query = {"arg": cid, "unique": "true", "offline": "true"}
        try:
            async with self._api.post("refs", query, CALL_SECONDS) as answer:
                async for link in answer.objects(_Link):
                    if link.Ref and not link.Err:
                        yield link.Ref
        except NodeRefused:
            return


class Removal:
    """Removes DAGs. `pins_made` counts the pins made by this process: after a new one, all is asked anew."""

    def __init__(self, api: KuboApi, pins_made: Callable[[], int]) -> None:
        self._api, self._pins_made = api, pins_made
        self._batch_blocks = FIRST_BLOCKS

    async def run(self, root: str) -> None:
        """Remove a DAG, leaves first, so that what was cut off can be run again. The caller keeps the time.

        Raises `StoreUnavailable`, also where the node cannot tell what it keeps: then nothing is removed.
        """
        is_whole = False
        while not is_whole:
            walk, chunk = Walk(self._api), list[str]()
            async for cid in walk.blocks(root):
                chunk.append(cid)
                if len(chunk) == CHUNK_BLOCKS:
                    await self._remove(chunk)
                    chunk = []
            await self._remove(chunk)
            is_whole = walk.is_whole

    async def _remove(self, cids: Sequence[str]) -> None:
        hashes = {digest: cid for cid in cids if (digest := multihash(cid)) is not None}
        while hashes:
            pins_made, kept = self._pins_made(), await self._kept(hashes)
            hashes = {digest: cid for digest, cid in hashes.items() if digest not in kept}
            while hashes and self._pins_made() == pins_made:
                batch = dict(islice(hashes.items(), self._batch_blocks))
                await self._remove_batch(tuple(batch.values()))
                for digest in batch:
                    del hashes[digest]

    async def _remove_batch(self, cids: tuple[str, ...]) -> None:
        query: Query = {"arg": cids, "force": "true", "quiet": "true"}
        started = time.monotonic()
        async with self._api.post("block/rm", query, CALL_SECONDS) as answer:
            if b"pin check failed" in await answer.body():
                raise StoreUnavailable("The IPFS node cannot tell what it pins. Run `ipfs pin verify` there.")
        block_seconds = (time.monotonic() - started) / len(cids)
        self._batch_blocks = max(1, min(int(BATCH_SECONDS / block_seconds), BATCH_BLOCKS))

    async def _kept(self, hashes: Collection[bytes]) -> set[bytes]:
        """Which of these are pinned, or in MFS, however their CIDs are spelled there."""
        kept, rest = set[bytes](), b""
        # Not as a stream of lines: that would not show where the list is broken off.
        query: Query = {"type": "all", "offline": "true"}
        async with self._api.post("pin/ls", query, LIST_SECONDS) as answer:
            async for piece in answer.pieces():
                rest += piece
                kept |= await to_thread(_named, rest, hashes)
                rest = rest[-_TAIL_BYTES:]
        if not rest.rstrip().endswith(b"}}"):
            raise StoreUnavailable("The IPFS node breaks off the list of what it pins. See its log.")
        files = await self._api.call("files/stat", {"arg": "/"}, _Files, CALL_SECONDS)
        walk = Walk(self._api)
        async for cid in walk.blocks(files.Hash):
            digest = multihash(cid)
            if digest is not None and digest in hashes:
                kept.add(digest)
        if not walk.is_whole:
            raise StoreUnavailable("The IPFS node has too much in MFS (`ipfs files ls`) to look through.")
        return kept


def multihash(cid: str) -> bytes | None:
    """The hash in a CID as Kubo spells it, by which a node keeps a block; None where it is no CID."""
    try:
        if cid.startswith("Qm"):
            return b"\x12\x20" + parse_cid(cid).digest
        binary = base64.b32decode(cid[1:].upper() + "=" * (-len(cid[1:]) % 8))
    except (ValueError, JobRejected):
        return None
    for _ in ("version", "codec"):
        # Varints: all bytes but the last one have the highest bit.
        end = next((place for place, byte in enumerate(binary) if byte < 0x80), len(binary))
        binary = binary[end + 1 :]
    return (binary or None) if cid.startswith("b") else None


def _named(answer: bytes, hashes: Collection[bytes]) -> set[bytes]:
    named = (multihash(match[1].decode()) for match in _PINNED.finditer(answer))
    return {digest for digest in named if digest is not None and digest in hashes}
