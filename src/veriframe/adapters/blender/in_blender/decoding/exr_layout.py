"""The pieces of an EXR's layout, read one by one. Format: openexr.com, “OpenEXR File Layout”."""

from __future__ import annotations

import struct
from typing import BinaryIO

import exr_file  # type: ignore[import-not-found]
from png_file import NotAPictureError  # type: ignore[import-not-found]

MAGIC = b"\x76\x2f\x31\x01"
MOST_HEADER_BYTES = 2**20


def window(width: int, height: int) -> bytes:
    """The value of a data or display window that begins at 0, 0."""
    return struct.pack("<4i", 0, 0, width - 1, height - 1)


def word(file: BinaryIO) -> bytes:
    """The text up to the next zero. Raises `NotAPictureError`."""
    found = b""
    while (byte := exactly(file, 1)) != b"\0":
        found += byte
        if len(found) > exr_file.MOST_NAME_BYTES:
            raise NotAPictureError("a name in its header is too long")
    return found


def exactly(file: BinaryIO, count: int) -> bytes:
    """So many bytes. Raises `NotAPictureError` if there are fewer."""
    found = file.read(count)
    if len(found) != count:
        raise NotAPictureError("it is cut short")
    return found
