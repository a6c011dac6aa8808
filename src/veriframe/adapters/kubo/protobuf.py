"""Fields of protobuf messages, written: of blocks that are made here, and not fetched.

Source: the encoding of Protocol Buffers, as DAG-PB and UnixFS use it.
"""

from __future__ import annotations

_VARINT, _BYTES = 0, 2


def bytes_field(number: int, content: bytes) -> bytes:
    """A field of bytes."""
    return varint(number << 3 | _BYTES) + varint(len(content)) + content


def varint_field(number: int, value: int) -> bytes:
    """A field of one number."""
    return varint(number << 3 | _VARINT) + varint(value)


def varint(number: int) -> bytes:
    """A number in its shortest form."""
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
