"""A range of a file, by the blocks that it lies in and those above them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from veriframe.adapters.kubo.blocks.tree import MAX_BLOCK_DEPTH
from veriframe.adapters.kubo.blocks.unixfs import Block, FileBlock
from veriframe.adapters.kubo.fetching.fetcher import BLOCKS_AT_ONCE
from veriframe.errors import Code, JobRejected
from veriframe.model.content.cid import Cid

MOST_BLOCKS = 10_000
"""The most blocks of one range: 4 MiB in chunks of 1 KiB, and those above them."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A part of the file, from `offset` on, that the block above says is of this size; None for the file."""

    cid: Cid
    offset: int = 0
    size_bytes: int | None = None


async def read_range(file: Cid, offset: int, length: int, fetch: Callable[[Cid], Awaitable[Block]]) -> bytes:
    """Returns a range of a file, shorter only at its end. `fetch` returns checked blocks.

    Raises `JobRejected`: NOT_A_FILE, CORRUPT if blocks contradict each other, TOO_LARGE for too many blocks;
    and what `fetch` raises.
    """
    end, pieces, blocks = offset + length, dict[int, bytes](), 0
    level = [_Place(file)]
    for _ in range(MAX_BLOCK_DEPTH):
        blocks += len(level)
        if blocks > MOST_BLOCKS:
            raise JobRejected(Code.TOO_LARGE, f"{file} has more than {MOST_BLOCKS} blocks in {length} bytes.")
        below = list[_Place]()
        waiting = iter(level)
        while places := list(islice(waiting, BLOCKS_AT_ONCE)):
            fetched = await asyncio.gather(*(fetch(place.cid) for place in places))
            for place, block in zip(places, fetched, strict=True):
                content = _content(file, place, block)
                if piece := content.data[max(0, offset - place.offset) : max(0, end - place.offset)]:
                    pieces[max(offset, place.offset)] = piece
                below += (part for part in _parts(place.offset, content) if _overlaps(part, offset, end))
        if not below:
            return b"".join(pieces[at] for at in sorted(pieces))
        level = below
    raise JobRejected(Code.TOO_LARGE, f"{file} has blocks more than {MAX_BLOCK_DEPTH} deep.")


def _content(file: Cid, place: _Place, block: Block) -> FileBlock:
    if not isinstance(block, FileBlock):
        if place.size_bytes is None:
            raise JobRejected(Code.NOT_A_FILE, f"{file} is a folder or a link, not a file.")
        raise _corrupt(file, "a part of it is not a file")
    if place.size_bytes not in (None, block.size_bytes):
        raise _corrupt(file, "a part of it has another size than the block above says")
    return block


def _parts(offset: int, block: FileBlock) -> Iterator[_Place]:
    offset += len(block.data)
    for part in block.parts:
        yield _Place(part.cid, offset, part.size_bytes)
        offset += part.size_bytes


def _overlaps(place: _Place, offset: int, end: int) -> bool:
    # A part without bytes overlaps nothing, so blocks cannot be multiplied by it.
    return max(offset, place.offset) < min(end, place.offset + (place.size_bytes or 0))


def _corrupt(file: Cid, why: str) -> JobRejected:
    return JobRejected(Code.CORRUPT, f"The file {file} is not valid: {why}. Add it again.")
