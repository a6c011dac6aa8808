"""Reads single tiles of a published proof, of which no other part need be there.

OpenEXR's Python reads whole files. So the wanted tiles become a small file of their own, with the same header
but for the size, and that is what it decodes. Formats: openexr.com, “OpenEXR File Layout”.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import exr_file  # type: ignore[import-not-found]
from exr_layout import MAGIC, MOST_HEADER_BYTES, exactly, window, word  # type: ignore[import-not-found]
from pixel_digest import TILE, Planes  # type: ignore[import-not-found]
from png_file import NotAPictureError  # type: ignore[import-not-found]

PLAIN = (0x202, 0x602)
"""The version and flags of a tiled file of one part, without and with long names."""

TILES = struct.pack("<IIB", TILE, TILE, 0)
MOST_TILE_BYTES = TILE * TILE * 4 * exr_file.MOST_CHANNELS
"""A chunk that compression would make larger is not compressed."""


def read(path: Path, size: Sequence[int], wanted: Sequence[int]) -> tuple[Planes, tuple[int, int]]:
    """All channels of the tiles that the wanted region meets, and the pixel where they begin.

    `size` is the picture's width and height, `wanted` is left, top, width and height. Raises
    `NotAPictureError`, also if one of these tiles is not there.
    """
    width, height = size
    left, top = wanted[0] // TILE, wanted[1] // TILE
    right, bottom = -(-(wanted[0] + wanted[2]) // TILE), -(-(wanted[1] + wanted[3]) // TILE)
    part = min(width, right * TILE) - left * TILE, min(height, bottom * TILE) - top * TILE
    across = -(-width // TILE)
    with path.open("rb") as file, tempfile.NamedTemporaryFile(suffix=".exr") as small:
        header = _header(file, size, part)
        table = file.tell()
        chunks = []
        for y in range(top, bottom):
            for x in range(left, right):
                file.seek(table + 8 * (y * across + x))
                (offset,) = struct.unpack("<Q", exactly(file, 8))
                chunks.append(struct.pack("<ii", x - left, y - top) + _chunk(file, offset, x, y))
        at = len(header) + 8 * len(chunks)
        offsets = []
        for chunk in chunks:
            offsets.append(at)
            at += len(chunk)
        small.write(header + struct.pack(f"<{len(offsets)}Q", *offsets) + b"".join(chunks))
        small.flush()
        return exr_file.read_layers(Path(small.name), *part), (left * TILE, top * TILE)


def _header(file: BinaryIO, size: Sequence[int], part: tuple[int, int]) -> bytes:
    """The header for a picture of the part's size. Leaves the file at the offset table."""
    start: bytes = exactly(file, 8)
    if start[:4] != MAGIC or int.from_bytes(start[4:], "little") not in PLAIN:
        raise NotAPictureError("it is not a tiled EXR of one part")
    made, found = start, dict[bytes, bytes]()
    while name := word(file):
        kind, (length,) = word(file), struct.unpack("<i", exactly(file, 4))
        if not 0 <= length <= MOST_HEADER_BYTES or len(made) > MOST_HEADER_BYTES:
            raise NotAPictureError("its header is too long")
        value = found[name] = exactly(file, length)
        if name in (b"dataWindow", b"displayWindow"):
            value = window(*part)
        made += name + b"\0" + kind + b"\0" + struct.pack("<i", len(value)) + value
    if found.get(b"tiles") != TILES:
        raise NotAPictureError(f"its tiles are not {TILE}×{TILE}, of one level")
    if found.get(b"dataWindow") != window(*size):
        raise NotAPictureError(f"it does not have {size[0]}×{size[1]} pixels", "WRONG_SIZE")
    return made + b"\0"


def _chunk(file: BinaryIO, offset: int, x: int, y: int) -> bytes:
    """A tile's level, length and data."""
    if offset >= 2**63:
        raise NotAPictureError("its offset table is damaged")
    file.seek(offset)
    found_x, found_y, *level, length = struct.unpack("<5i", exactly(file, 20))
    if (found_x, found_y, *level) != (x, y, 0, 0) or not 0 < length <= MOST_TILE_BYTES:
        raise NotAPictureError(f"tile {x}, {y} is not there")
    data: bytes = exactly(file, length)
    return struct.pack("<3i", *level, length) + data
