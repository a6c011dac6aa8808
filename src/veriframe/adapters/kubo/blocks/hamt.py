"""Where a name is in a large folder, whose entries are divided among shards by a hash (a HAMT).

Source: the UnixFS specification: the first 64 bits of murmur3-x64-128 of the name, big endian. Each
level takes as many of its bits as number its slots, the highest first.
"""

from __future__ import annotations

from struct import iter_unpack

HASH_BITS = 64

_ALL = 2**64 - 1
_C1, _C2 = 0x87C37B91114253D5, 0x4CF5AD432745937F
_PIECE_BYTES = 16


def slot(name_hash: int, used_bits: int, fanout: int) -> int:
    """The slot of a name in a shard with this fanout, a power of 2; -1 if its hash has no bits left.

    `used_bits` is how many bits the shards above have taken.
    """
    below = HASH_BITS - used_bits - slot_bits(fanout)
    return -1 if below < 0 else name_hash >> below & (fanout - 1)


def slot_bits(fanout: int) -> int:
    """How many bits of a hash one level takes."""
    return fanout.bit_length() - 1


def hash_of(name: str) -> int:
    """The first 64 bits of murmur3-x64-128, seed 0, of a name in UTF-8."""
    content = name.encode()
    whole = len(content) // _PIECE_BYTES * _PIECE_BYTES
    h1 = h2 = 0
    for k1, k2 in iter_unpack("<QQ", content[:whole]):
        h1 = (_turned(h1 ^ _mixed(k1, _C1, 31, _C2), 27) + h2) * 5 + 0x52DCE729 & _ALL
        h2 = (_turned(h2 ^ _mixed(k2, _C2, 33, _C1), 31) + h1) * 5 + 0x38495AB5 & _ALL
    rest = content[whole:]
    h1 ^= _mixed(int.from_bytes(rest[:8], "little"), _C1, 31, _C2) ^ len(content)
    h2 ^= _mixed(int.from_bytes(rest[8:], "little"), _C2, 33, _C1) ^ len(content)
    h1 = h1 + h2 & _ALL
    return _final(h1) + _final(h2 + h1 & _ALL) & _ALL


def _mixed(part: int, before: int, turn: int, after: int) -> int:
    return _turned(part * before & _ALL, turn) * after & _ALL


def _turned(number: int, bits: int) -> int:
    return (number << bits | number >> 64 - bits) & _ALL


def _final(number: int) -> int:
    number = (number ^ number >> 33) * 0xFF51AFD7ED558CCD & _ALL
    number = (number ^ number >> 33) * 0xC4CEB9FE1A85EC53 & _ALL
    return number ^ number >> 33
