"""CAR streams: blocks one after the other, as a node exports a whole DAG.

Source: the CARv1 specification. The header's roots are not read: the reader knows what it asked for, and each
block is checked against its CID by whoever takes it.
"""

from __future__ import annotations

from collections.abc import Iterator

from veriframe.adapters.kubo.blocks.mismatch import ContentMismatch
from veriframe.adapters.kubo.blocks.unixfs import MAX_BLOCK_BYTES, read_cid
from veriframe.errors import JobRejected
from veriframe.model.content.cid import Cid

_HEADER_BYTES = 4096
_CID_BYTES = (34, 36)
"""Of version 0, and of version 1, both with sha2-256."""


class CarReader:
    """Takes a stream piece by piece; gives the blocks that are whole, as they are, unchecked."""

    def __init__(self) -> None:
        self._rest = b""
        self._is_begun = False

    def blocks(self, piece: bytes) -> Iterator[tuple[Cid, bytes]]:
        """The blocks that end in this piece. Raises `ContentMismatch` for what is no such stream."""
        stream, position = self._rest + piece, 0
        limit_bytes = MAX_BLOCK_BYTES + max(_CID_BYTES)
        while section := _section(stream, position, limit_bytes if self._is_begun else _HEADER_BYTES):
            start, position = section
            if self._is_begun:
                yield _block(stream[start:position])
            self._is_begun = True
        self._rest = stream[position:]


def _section(stream: bytes, position: int, limit_bytes: int) -> tuple[int, int] | None:
    """Where the section that begins at `position` has its content; None where it is not whole yet."""
    size_bytes = 0
    for index, byte in enumerate(stream[position : position + 4]):
        size_bytes |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            if not 0 < size_bytes <= limit_bytes:
                raise ContentMismatch(f"its export has a section of {size_bytes} bytes")
            start = position + index + 1
            return (start, start + size_bytes) if start + size_bytes <= len(stream) else None
    if len(stream) - position >= 4:
        raise ContentMismatch("its export has a section without an end")
    return None


def _block(section: bytes) -> tuple[Cid, bytes]:
    cid_bytes = _CID_BYTES[0] if section[:2] == b"\x12\x20" else _CID_BYTES[1]
    try:
        return read_cid(section[:cid_bytes]), section[cid_bytes:]
    except JobRejected as error:
        raise ContentMismatch("its export has a block that cannot be checked") from error
