"""Removes the blocks of a DAG from a node, except those that are pinned or in MFS.

Kubo's `block/rm` is not enough: it compares pins by CID, but removes by hash, so that an untrusted link to a
pinned block under another codec would destroy it (seen with 0.42); and it ignores MFS. So the hashes of all
that is pinned or in MFS are excluded first.
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
"""The blocks that are compared with the kept ones at once: 50 GB of an ordinary file."""
BATCH_BLOCKS = 500
"""The most blocks for one call: their CIDs make 32 kB of a URL."""
FIRST_BLOCKS = 16
BATCH_SECONDS = 1.0
"""The intended time of a call. Kubo walks through its pins for each CID, and blocks new pins meanwhile."""
STACK_BLOCKS = 200_000
"""The most blocks still to visit: an untrusted DAG may have millions of links.

A block has 75 000 at most, and twice as many must fit: so each walk removes at least one parent.
"""

CALL_SECONDS = 60.0
LIST_SECONDS = 300.0
"""For a node to list all of its pins: it walks through them."""

_BLOCK_BYTES = 2**23
"""The limit for a block in MFS. Blocks from other nodes have 2 MiB at most."""
_CID_BYTES = 150
_PINNED = re.compile(rb'"([A-Za-z0-9]{46,200})":\{"Type"')
_TAIL_BYTES = 256
_RAW, _DAG_PB, _SHA2_256 = b"\x01\x55", b"\x01\x70", b"\x12\x20"
"""How CIDs of version 1, and hashes, start. Raw blocks have no links."""
_IDENTITY = b"\x00"
_HASH_BYTES = 22
"""The length of the shortest hash that Kubo accepts (20 bytes), with its prefix."""


class _Files(Answer):
    Hash: str


class Walk:
    """The blocks of one DAG that are on a node. Afterwards `is_whole` says whether all of them were visited.

    CIDs are binary, and of version 1. With `by_hash`, the codec in a link is ignored: a block that one link
    names as raw may be named by another as something with links.
    """

    def __init__(self, api: KuboApi, *, by_hash: bool = False) -> None:
        self._api, self._by_hash = api, by_hash
        self.is_whole = True

    async def blocks(self, root: bytes) -> AsyncIterator[bytes]:
        """Yields all blocks at and below `root`, children first. Blocks without children may be absent."""
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
                # The top of the stack stays. What is dropped is still linked from the root, and is found
                # again.
                del stack[: -STACK_BLOCKS // 2]
                self.is_whole = False
            if len(seen) > STACK_BLOCKS:
                seen.clear()

    async def _links(self, cid: bytes) -> Sequence[bytes]:
        """Returns the links of a block; none for a block that the node does not have."""
        if cid.startswith(_RAW):
            return ()
        # Not `refs`: that reads each child, and stops at the first one that is missing.
        query: Query = {"arg": spelled(cid), "offline": "true"}
        try:
            async with self._api.post("block/get", query, CALL_SECONDS) as answer:
                block = await answer.body(_BLOCK_BYTES)
        except NodeRefused:
            return ()
        found = await to_thread(lambda: list(dict.fromkeys(links(block))))
        return [_DAG_PB + multihash(cid) for cid in found] if self._by_hash else found


class Removal:
    """Removes DAGs. `pins_made` counts this process's pins: after a new one, the pins are listed again."""

    def __init__(self, api: KuboApi, pins_made: Callable[[], int]) -> None:
        self._api, self._pins_made = api, pins_made
        self._batch_blocks = FIRST_BLOCKS

    async def run(self, root: Cid) -> None:
        """Removes a DAG, leaves first, so that an interrupted run can be repeated. The caller sets a timeout.

        Raises `StoreUnavailable`, also if the node cannot list what it keeps: then nothing is removed.
        """
        is_done = await self._run(root, by_hash=False)
        while not is_done:
            is_done = await self._run(root, by_hash=True)

    async def _run(self, root: Cid, *, by_hash: bool) -> bool:
        """Walks once. Only a walk by hash may remove blocks before the end: others may still need them."""
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
        # Parents stay after their children: if a hash occurs twice, its last place counts.
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
                raise StoreUnavailable("The IPFS node cannot check its pins. Run `ipfs pin verify` there.")
        block_seconds = (time.monotonic() - started) / len(cids)
        self._batch_blocks = max(1, min(int(BATCH_SECONDS / block_seconds), BATCH_BLOCKS))

    async def _kept(self, hashes: Collection[bytes]) -> set[bytes]:
        """Returns which of these are pinned or in MFS, however their CIDs are spelled there."""
        kept, rest = set[bytes](), b""
        # Not as a stream of lines: that would not show if the list is incomplete.
        query: Query = {"type": "all", "offline": "true"}
        async with self._api.post("pin/ls", query, LIST_SECONDS) as answer:
            async for piece in answer.pieces():
                rest += piece
                kept |= await to_thread(_named, rest, hashes)
                rest = rest[-_TAIL_BYTES:]
        if not rest.rstrip().endswith(b"}}"):
            raise StoreUnavailable("The IPFS node returned an incomplete list of its pins. Check its log.")
        files = await self._api.call("files/stat", {"arg": "/"}, _Files, CALL_SECONDS)
        walk, root = Walk(self._api), read_cid(files.Hash)
        if root is None:
            raise StoreUnavailable("The IPFS node does not report what is in MFS. Check its log.")
        async for cid in walk.blocks(root):
            if multihash(cid) in hashes:
                kept.add(multihash(cid))
        if not walk.is_whole:
            raise StoreUnavailable("The IPFS node has too many blocks in MFS (`ipfs files ls`) to check.")
        return kept


def links(block: bytes) -> Iterator[bytes]:
    """Yields the CIDs that a DAG-PB block links to. More lenient than Kubo and `unixfs`."""
    for number, link in bytes_fields(block):
        if number == 2:
            for part, cid in bytes_fields(link):
                if part == 1 and len(cid) <= _CID_BYTES:
                    yield from _version_1(cid)


def read_cid(text: str) -> bytes | None:
    """Returns the binary CID, in version 1, of a CID as Kubo spells it; None if the text is not one."""
    try:
        if text.startswith("Qm"):
            return _binary(parse_cid(text))
        binary = base64.b32decode(text[1:].upper() + "=" * (-len(text[1:]) % 8))
    except (ValueError, JobRejected):
        return None
    return binary if text.startswith("b") and binary.startswith(b"\x01") and multihash(binary) else None


def spelled(cid: bytes) -> str:
    """Returns a binary CID of version 1 as text."""
    return "b" + base64.b32encode(cid).decode().rstrip("=").lower()


def multihash(cid: bytes) -> bytes:
    """Returns the hash in a binary CID of version 1, by which a node stores a block."""
    for _ in ("version", "codec"):
        # Varints: all bytes but the last one have the highest bit.
        end = next((place for place, byte in enumerate(cid) if byte < 0x80), len(cid))
        cid = cid[end + 1 :]
    return cid


def _binary(cid: Cid) -> bytes:
    return bytes((1, cid.codec)) + _SHA2_256 + cid.digest


def _version_1(cid: bytes) -> Iterator[bytes]:
    """Yields the CID of a link; for a CID that contains its block, the links in that block."""
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
