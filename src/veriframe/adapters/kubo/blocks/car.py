"""CAR streams: a sequence of blocks, the form in which a node exports a whole DAG.

Source: the CARv1 specification. The header's roots are ignored: the caller knows what it asked for, and
checks each block against its CID.
"""

from __future__ import annotations

from collections.abc import Iterator

from veriframe.adapters.kubo.blocks.mismatch import ContentMismatch
from veriframe.adapters.kubo.blocks.unixfs import MAX_BLOCK_BYTES, read_cid
from veriframe.errors import JobRejected
from veriframe.model.content.cid import Cid

_HEADER_BYTES = 4096
_CID_BYTES = (34, 36)
"""The length of CIDs of versions 0 and 1, both with sha2-256."""


class CarReader:
    """Takes a stream piece by piece and yields its complete blocks, unchecked."""

    def __init__(self) -> None:
        self._rest = b""
        self._has_header = False

    def blocks(self, piece: bytes) -> Iterator[tuple[Cid, bytes]]:
        """Yields the blocks that end in this piece. Raises `ContentMismatch` if the stream is not a CAR."""
        stream, position = self._rest + piece, 0
        limit_bytes = MAX_BLOCK_BYTES + max(_CID_BYTES)
        while section := _section(stream, position, limit_bytes if self._has_header else _HEADER_BYTES):
            start, position = section
            if self._has_header:
                yield _block(stream[start:position])
            self._has_header = True
        self._rest = stream[position:]


def _section(stream: bytes, position: int, limit_bytes: int) -> tuple[int, int] | None:
    """Returns where the section at `position` has its content; None if it is still incomplete."""
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
