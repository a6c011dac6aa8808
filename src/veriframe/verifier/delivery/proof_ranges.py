"""Single tiles of a proof that was not fetched: a tile of a tiled EXR is a range of its file.

The OpenEXR file layout (openexr.com, "OpenEXR File Layout"): magic number and version, attributes, a byte 0,
a table of 8-byte offsets, and behind each offset 20 bytes (the tile's coordinates, its level, the length of
its data) and the data. What is read lands in a small file, one piece behind the other, with a table that
leads to them: whatever offsets a worker writes, the file is no longer than what came. It is decoded only in
the clean sandbox.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from veriframe.errors import Code, ValidationFailed

MAGIC = b"\x76\x2f\x31\x01"
FIRST_BYTES = 2**14
MOST_HEADER_BYTES = 2**20
MOST_TILE_BYTES = 2**22
MOST_OFFSET = 2**40
_HEAD = struct.Struct("<iiiii")

Read = Callable[[int, int], Awaitable[bytes]]
"""Reads so many bytes at an offset of the file; fewer at its end."""


async def fetch_tiles(read: Read, tiles: Sequence[int], count: int, target: Path) -> None:
    """Write the header, a table and these tiles of a proof with `count` tiles to `target`.

    The table has 0 for all other tiles. Raises `ValidationFailed` (NOT_IMAGE) for what is no tiled EXR, and
    what `read` raises.
    """
    start = await _head(read, count)
    end = _header_end(start)
    offsets = struct.unpack_from(f"<{count}Q", start, end)
    pieces, table, at = list[bytes](), [0] * count, end + 8 * count
    for tile in tiles:
        offset = offsets[tile]
        if not end + 8 * count <= offset < MOST_OFFSET:
            raise _no_proof(f"tile {tile} lies nowhere in it")
        # Most tiles are small: one read usually gets a whole one.
        piece = await read(offset, _HEAD.size + 2**17)
        if len(piece) < _HEAD.size:
            raise _no_proof(f"it ends before tile {tile}")
        length = _HEAD.unpack_from(piece)[4]
        if not 0 < length <= MOST_TILE_BYTES - _HEAD.size:
            raise _no_proof(f"tile {tile} has an impossible length")
        if len(piece) < _HEAD.size + length:
            piece = await read(offset, _HEAD.size + length)
        pieces.append(piece[: _HEAD.size + length])
        table[tile], at = at, at + len(pieces[-1])
    content = b"".join((start[:end], struct.pack(f"<{count}Q", *table), *pieces))
    await asyncio.to_thread(target.write_bytes, content)


async def _head(read: Read, count: int) -> bytes:
    """The start of the file, up to the end of its table."""
    wanted = FIRST_BYTES
    while True:
        start = await read(0, wanted)
        try:
            needed = _header_end(start) + 8 * count
        except IndexError:
            needed = 4 * wanted
        if needed <= len(start):
            return start
        if len(start) < wanted or needed > MOST_HEADER_BYTES + 8 * count:
            raise _no_proof("its header has no end")
        wanted = needed


def _header_end(start: bytes) -> int:
    """Where the header ends. Raises `IndexError` if that is not in it, `ValidationFailed`."""
    if start[:4] != MAGIC:
        raise _no_proof("it is no EXR")
    at = 8
    while True:
        if at >= len(start):
            raise IndexError
        if start[at] == 0:
            return at + 1
        for _ in ("name", "type"):
            end = start.find(b"\0", at)
            if end < 0:
                raise IndexError
            at = end + 1
        if at + 4 > len(start):
            raise IndexError
        (length,) = struct.unpack_from("<i", start, at)
        if not 0 <= length <= MOST_HEADER_BYTES:
            raise _no_proof("its header is damaged")
        at += 4 + length


def _no_proof(why: str) -> ValidationFailed:
    return ValidationFailed(Code.NOT_IMAGE, f"The proof cannot be read: {why}.")
