"""Fields of protobuf messages: written for our own blocks, and read leniently from any block.

Source: the encoding of Protocol Buffers, as DAG-PB and UnixFS use it.
"""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _BYTES = 0, 2


def bytes_field(number: int, content: bytes) -> bytes:
    """Returns a field of bytes."""
    return varint(number << 3 | _BYTES) + varint(len(content)) + content


def varint_field(number: int, value: int) -> bytes:
    """Returns a field of one number."""
    return varint(number << 3 | _VARINT) + varint(value)


def varint(number: int) -> bytes:
    """Returns a number in its shortest form."""
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def bytes_fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields the numbered fields of bytes, up to the first invalid one. `unixfs` validates blocks."""
    position = 0
    while position < len(message):
        key, position = _read_varint(message, position)
        size, position = _read_varint(message, position)
        if key & 7 == _VARINT:
            continue
        if key & 7 != _BYTES or position + size > len(message):
            return
        yield key >> 3, message[position : position + size]
        position += size


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    """Returns the number at a position and where it ends; an arbitrary value if it is cut off or too long."""
    number = 0
    for shift in range(0, 64, 7):
        if position >= len(message):
            break
        byte, position = message[position], position + 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
    return number, position
