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
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from itertools import islice

from veriframe.adapters.kubo.blocks.protobuf import bytes_fields
from veriframe.adapters.kubo.node.api import Answer, KuboApi, NodeRefused, Query
from veriframe.errors import JobRejected, StoreUnavailable
from veriframe.model.content.cid import Cid, parse_cid

CHUNK_BLOCKS = 200_000
"""So many are looked up among the kept ones at once: 50 GB of a usual file."""
BATCH_BLOCKS = 500
"""For one call, at most: their CIDs make 32 kB of a URL."""
FIRST_BLOCKS = 16
BATCH_SECONDS = 1.0
"""What a call is to take. Kubo walks through its pins for each CID, and lets nobody pin meanwhile."""
STACK_BLOCKS = 200_000
"""Of blocks that are still to visit: a stranger may have links by the million.

A block has 75 000 at most, and twice as many must fit: so each walk removes at least one parent.
"""

CALL_SECONDS = 60.0
LIST_SECONDS = 300.0
"""For a node to list all that it pins: it walks through it."""

_BLOCK_BYTES = 2**23
"""Of a block that somebody put into MFS. Those of other nodes have 2 MiB at most."""
_CID_BYTES = 150
_PINNED = re.compile(rb'"([A-Za-z0-9]{46,200})":\{"Type"')
_TAIL_BYTES = 256
_RAW, _DAG_PB, _SHA2_256 = b"\x01\x55", b"\x01\x70", b"\x12\x20"
"""How CIDs of version 1 begin, and hashes. Raw blocks have no links."""
_IDENTITY = b"\x00"
_HASH_BYTES = 22
"""Of the shortest hash that Kubo takes (20 bytes), with its head."""


class _Files(Answer):
    Hash: str


class Walk:
    """The blocks of one DAG that are on a node. `is_whole` afterwards: all of them were visited.

    CIDs are binary, and of version 1. With `by_hash`, the codec in a link is not believed: a block that is
    named as raw by one link may be named as something with links by another.
    """

    def __init__(self, api: KuboApi, *, by_hash: bool = False) -> None:
        self._api, self._by_hash = api, by_hash
        self.is_whole = True

    async def blocks(self, root: bytes) -> AsyncIterator[bytes]:
        """All blocks at and below `root`, children first. Those without children may be absent."""
        stack, seen = [(root, False)], {root}
        while stack:
            cid, is_visited = stack.pop()
            if is_visited:
                yield cid
                continue
            stack.append((cid, True))
            for child in await self._links(cid):
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

    async def _links(self, cid: bytes) -> Sequence[bytes]:
        """What a block leads to; nothing for a block that the node does not have."""
        if cid.startswith(_RAW):
            return ()
        # Not `refs`: that reads each child, and ends at the first one that is not there.
        query: Query = {"arg": spelled(cid), "offline": "true"}
        try:
            async with self._api.post("block/get", query, CALL_SECONDS) as answer:
                block = await answer.body(_BLOCK_BYTES)
        except NodeRefused:
            return ()
        found = await to_thread(lambda: list(dict.fromkeys(links(block))))
        return [_DAG_PB + multihash(cid) for cid in found] if self._by_hash else found


class Removal:
    """Removes DAGs. `pins_made` counts the pins made by this process: after a new one, all is asked anew."""

    def __init__(self, api: KuboApi, pins_made: Callable[[], int]) -> None:
        self._api, self._pins_made = api, pins_made
        self._batch_blocks = FIRST_BLOCKS

    async def run(self, root: Cid) -> None:
        """Remove a DAG, leaves first, so that what was cut off can be run again. The caller keeps the time.

        Raises `StoreUnavailable`, also where the node cannot tell what it keeps: then nothing is removed.
        """
        is_done = await self._run(root, by_hash=False)
        while not is_done:
            is_done = await self._run(root, by_hash=True)

    async def _run(self, root: Cid, *, by_hash: bool) -> bool:
        """One walk. Only one by hash may remove some before it has seen all: another may still need them."""
        walk, chunk = Walk(self._api, by_hash=by_hash), list[bytes]()
        binary = _binary(root)
        async for cid in walk.blocks(_DAG_PB + multihash(binary) if by_hash else binary):
            chunk.append(cid)
            if len(chunk) == CHUNK_BLOCKS:
                if not by_hash:
                    return False
                await self._remove(chunk)
                chunk = []
        if by_hash or walk.is_whole:
            await self._remove(chunk)
        return walk.is_whole

    async def _remove(self, cids: Sequence[bytes]) -> None:
        # Parents stay behind their children: where a hash is there twice, its last place counts.
        hashes = {multihash(cid): cid for cid in reversed(cids)}
        hashes = {digest: hashes[digest] for digest in reversed(hashes)}
        while hashes:
            pins_made, kept = self._pins_made(), await self._kept(hashes)
            hashes = {digest: cid for digest, cid in hashes.items() if digest not in kept}
            while hashes and self._pins_made() == pins_made:
                batch = dict(islice(hashes.items(), self._batch_blocks))
                await self._remove_batch([spelled(cid) for cid in batch.values()])
                for digest in batch:
                    del hashes[digest]

    async def _remove_batch(self, cids: Sequence[str]) -> None:
        query: Query = {"arg": tuple(cids), "force": "true", "quiet": "true"}
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
        walk, root = Walk(self._api), read_cid(files.Hash)
        if root is None:
            raise StoreUnavailable("The IPFS node does not tell what is in MFS. See its log.")
        async for cid in walk.blocks(root):
            if multihash(cid) in hashes:
                kept.add(multihash(cid))
        if not walk.is_whole:
            raise StoreUnavailable("The IPFS node has too much in MFS (`ipfs files ls`) to look through.")
        return kept


def links(block: bytes) -> Iterator[bytes]:
    """The CIDs that a DAG-PB block leads to, by more blocks than Kubo or `unixfs` would take for sound."""
    for number, link in bytes_fields(block):
        if number == 2:
            for part, cid in bytes_fields(link):
                if part == 1 and len(cid) <= _CID_BYTES:
                    yield from _version_1(cid)


def read_cid(text: str) -> bytes | None:
    """The CID that is spelled as Kubo does it, in version 1; None where it is none."""
    try:
        if text.startswith("Qm"):
            return _binary(parse_cid(text))
        binary = base64.b32decode(text[1:].upper() + "=" * (-len(text[1:]) % 8))
    except (ValueError, JobRejected):
        return None
    return binary if text.startswith("b") and binary.startswith(b"\x01") and multihash(binary) else None


def spelled(cid: bytes) -> str:
    """A binary CID of version 1 as text."""
    return "b" + base64.b32encode(cid).decode().rstrip("=").lower()


def multihash(cid: bytes) -> bytes:
    """The hash in a binary CID of version 1, by which a node keeps a block."""
    for _ in ("version", "codec"):
        # Varints: all bytes but the last one have the highest bit.
        end = next((place for place, byte in enumerate(cid) if byte < 0x80), len(cid))
        cid = cid[end + 1 :]
    return cid


def _binary(cid: Cid) -> bytes:
    return bytes((1, cid.codec)) + _SHA2_256 + cid.digest


def _version_1(cid: bytes) -> Iterator[bytes]:
    """One binary CID of a link. Those that have their block in themselves give way to its links."""
    if cid.startswith(_SHA2_256):
        yield _DAG_PB + cid
    elif cid.startswith(b"\x01"):
        digest = multihash(cid)
        if digest.startswith(_IDENTITY):
            yield from links(digest[2:])
        elif len(digest) >= _HASH_BYTES:
            yield cid


def _named(answer: bytes, hashes: Collection[bytes]) -> set[bytes]:
    cids = (read_cid(match[1].decode()) for match in _PINNED.finditer(answer))
    return {multihash(cid) for cid in cids if cid is not None and multihash(cid) in hashes}
