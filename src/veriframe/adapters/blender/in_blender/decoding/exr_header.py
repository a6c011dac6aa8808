"""Whether a published EXR has pixels and nothing else, as docs/formats.md says.

Other attributes can make viewers show another picture than the one that was compared: a display window,
chromaticities, an aspect ratio. Format: openexr.com, “OpenEXR File Layout”.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

import exr_file  # type: ignore[import-not-found]
from exr_layout import MAGIC, MOST_HEADER_BYTES, exactly, window, word  # type: ignore[import-not-found]
from png_file import NotAPictureError  # type: ignore[import-not-found]

PLAIN = (0x002, 0x402)
"""The version and flags of a file of one part in rows, without and with long names."""

ROWS = 16
"""ZIP compresses so many rows together."""

CHANNEL = struct.pack("<B3xii", 0, 1, 1)
"""What follows a channel's name and type: not perceptually linear, and not subsampled."""


def require_pixels_only(path: Path, width: int, height: int) -> None:
    """Raise `NotAPictureError` unless the file is laid out as `exr_file.write` does it, without gaps."""
    with path.open("rb") as file:
        if exactly(file, 4) != MAGIC or struct.unpack("<I", exactly(file, 4))[0] not in PLAIN:
            raise NotAPictureError("it is not an EXR of one part, in rows")
        allowed, found = _allowed(width, height), set[bytes]()
        while name := word(file):
            kind, (length,) = word(file), struct.unpack("<i", exactly(file, 4))
            if name in found or not 0 <= length <= MOST_HEADER_BYTES:
                raise NotAPictureError("its header is damaged")
            found.add(name)
            value = exactly(file, length)
            is_plain = _are_plain(value) if name == b"channels" else allowed.get(name) == (kind, value)
            if not is_plain:
                raise NotAPictureError("its header has more in it than pixels need")
        _require_rows(file, height)


def _allowed(width: int, height: int) -> dict[bytes, tuple[bytes, bytes]]:
    """The types and values of attributes, by their names."""
    whole = b"box2i", window(width, height)
    one = b"float", struct.pack("<f", 1)
    return {
        b"compression": (b"compression", b"\x03"),
        b"dataWindow": whole,
        b"displayWindow": whole,
        b"lineOrder": (b"lineOrder", b"\0"),
        b"pixelAspectRatio": one,
        b"screenWindowCenter": (b"v2f", bytes(8)),
        b"screenWindowWidth": one,
        b"type": (b"string", b"scanlineimage"),
        **{name.encode(): (b"string", text.encode()) for name, text in exr_file.LAYERED.items()},
    }


def _are_plain(channels: bytes) -> bool:
    """Whether a list of channels says nothing but their names and types."""
    at = 0
    while (end := channels.find(b"\0", at)) > at:
        at = end + 1 + 4 + len(CHANNEL)
        if channels[end + 5 : at] != CHANNEL:
            return False
    return end == at == len(channels) - 1


def _require_rows(file: BinaryIO, height: int) -> None:
    """Compare the offset table with where the chunks lie: one after the other, up to the file's end."""
    count = -(-height // ROWS)
    offsets = struct.unpack(f"<{count}Q", exactly(file, 8 * count))
    for place, offset in enumerate(offsets):
        y, length = struct.unpack("<ii", exactly(file, 8))
        if (offset, y) != (file.tell() - 8, place * ROWS) or length <= 0:
            raise NotAPictureError("its rows do not lie one after the other")
        file.seek(length, 1)
    end = file.tell()
    if file.seek(0, 2) != end:
        raise NotAPictureError("its file has more in it than pixels")
