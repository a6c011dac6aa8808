"""Decoding of blocks: which file, folder or shard of a folder the bytes of a block are.

A block is untrusted even if it matches its CID: its creator chose the bytes. So the decoder is strict, and
has two outcomes only: a value, or `JobRejected` (CORRUPT).

Source: the IPLD specification of DAG-PB, its strict form; the UnixFS specification, with `mode` and `mtime`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from veriframe.errors import Code, JobRejected
from veriframe.model.content.cid import DIGEST_BYTES, Cid, Codec

MAX_BLOCK_BYTES = 2 * 2**20
"""The largest block that IPFS nodes exchange."""

MAX_NAME_BYTES = 255
"""The limit for one name in a folder, as in most file systems."""

_MAX_FANOUT, _MURMUR3 = 1024, 0x22
_Known = Mapping[int, tuple[int, ...]]  # the fields that a message may have, with their wire types

_CID_V0 = bytes((0x12, DIGEST_BYTES))
_CID_V1 = {bytes((1, codec, 0x12, DIGEST_BYTES)): codec for codec in Codec}


class _Type(IntEnum):
    RAW, FOLDER, FILE, METADATA, SYMLINK, SHARD = range(6)


class _Wire(IntEnum):
    VARINT, BYTES = 0, 2


_NODE_FIELDS: _Known = {1: (_Wire.BYTES,), 2: (_Wire.BYTES,)}
_LINK_FIELDS: _Known = {1: (_Wire.BYTES,), 2: (_Wire.BYTES,), 3: (_Wire.VARINT,)}
_DATA_FIELDS: _Known = {
    1: (_Wire.VARINT,),  # type
    2: (_Wire.BYTES,),  # data
    3: (_Wire.VARINT,),  # size of the file
    4: (_Wire.VARINT, _Wire.BYTES),  # sizes of the parts, one by one or packed
    5: (_Wire.VARINT,),  # kind of digest in a HAMT
    6: (_Wire.VARINT,),  # fanout of a HAMT
    7: (_Wire.VARINT,),  # mode: not used
    8: (_Wire.BYTES,),  # time of change: not used
}


@dataclass(frozen=True, slots=True)
class Link:
    """One link of a block. `total_bytes` is its creator's unverified claim of the total size below it."""

    cid: Cid
    name: str
    total_bytes: int


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a file: the block above claims that `size_bytes` of the file are below `cid`."""

    cid: Cid
    size_bytes: int


@dataclass(frozen=True, slots=True)
class FileBlock:
    """A file, or a part of one: first `data`, then the parts in order."""

    data: bytes
    parts: Sequence[Part]

    @property
    def size_bytes(self) -> int:
        """The size of the file, as far as its parts' claimed sizes are right."""
        return len(self.data) + sum(part.size_bytes for part in self.parts)


@dataclass(frozen=True, slots=True)
class FolderBlock:
    """A folder of one block. The names are checked: each is a valid file name here."""

    entries: Sequence[Link]


@dataclass(frozen=True, slots=True)
class ShardBlock:
    """A part of a large folder (a HAMT) of `fanout` slots: named entries, and more parts by their slots."""

    entries: Sequence[Link]
    shards: Mapping[int, Cid]
    fanout: int


@dataclass(frozen=True, slots=True)
class SymlinkBlock:
    """A symbolic link. Its target is never read: links are not followed."""


Block = FileBlock | FolderBlock | ShardBlock | SymlinkBlock


def decode_block(cid: Cid, block: bytes) -> Block:
    """Decodes a block. The caller checks that the bytes match the CID.

    Raises `JobRejected` (CORRUPT) if the bytes are not a UnixFS file or folder.
    """
    if len(block) > MAX_BLOCK_BYTES:
        raise _corrupt(f"a block of {len(block)} bytes is larger than any that IPFS carries")
    if cid.codec is Codec.RAW:
        return FileBlock(block, ())
    links, data = _read_node(block)
    node = _read_data(data)
    if node.type in (_Type.FILE, _Type.RAW):
        return _file(node, links)
    if node.type is _Type.FOLDER:
        return FolderBlock(_named(links))
    if node.type is _Type.SHARD:
        return _shard(node, links)
    if node.type is _Type.SYMLINK:
        return SymlinkBlock()
    raise _corrupt("a block is neither a file nor a folder")


@dataclass(frozen=True, slots=True)
class _Node:
    """The fields of a UnixFS message. Absent fields have its defaults."""

    type: _Type
    data: bytes
    size_bytes: int | None
    part_sizes: tuple[int, ...]
    digest_kind: int
    fanout: int


def _file(node: _Node, links: Sequence[Link]) -> FileBlock:
    if len(links) != len(node.part_sizes):
        raise _corrupt(f"a file has {len(links)} parts and {len(node.part_sizes)} sizes of parts")
    parts = [Part(link.cid, size) for link, size in zip(links, node.part_sizes, strict=True)]
    block = FileBlock(node.data, parts)
    if node.size_bytes is not None and node.size_bytes != block.size_bytes:
        raise _corrupt(f"a file says that it has {node.size_bytes} bytes, its parts have {block.size_bytes}")
    return block


def _shard(node: _Node, links: Sequence[Link]) -> ShardBlock:
    fanout = node.fanout
    if node.digest_kind != _MURMUR3 or not 8 <= fanout <= _MAX_FANOUT or fanout.bit_count() != 1:
        raise _corrupt("a large folder is divided in a way that IPFS does not use")
    # Each name starts with its slot number in hexadecimal digits; a name of the number alone is a sub-shard.
    digits = len(f"{fanout - 1:X}")
    places = {f"{number:0{digits}X}" for number in range(fanout)}
    entries, shards = list[Link](), dict[int, Cid]()
    for link in links:
        place, name = link.name[:digits], link.name[digits:]
        if place not in places:
            raise _corrupt(f"a large folder has an entry at the slot {place!a}, which is invalid or taken")
        places.remove(place)
        if name:
            entries.append(Link(link.cid, name, link.total_bytes))
        else:
            shards[int(place, 16)] = link.cid
    return ShardBlock(_named(entries), shards, fanout)


def _named(links: Sequence[Link]) -> Sequence[Link]:
    """Returns the links; each has a valid file name, and no name occurs twice."""
    names = set[str]()
    for link in links:
        name = link.name
        if name in ("", ".", "..") or "/" in name or "\0" in name or len(name.encode()) > MAX_NAME_BYTES:
            raise _corrupt(f"a folder has an entry with an invalid file name: {name[:40]!a}")
        if name in names:
            raise _corrupt(f"a folder has two entries of the name {name[:40]!a}")
        names.add(name)
    return tuple(links)


def _read_node(block: bytes) -> tuple[Sequence[Link], bytes]:
    """Returns the links and data of a dag-pb block: data once, and all links together before or after it."""
    links, data, closed = list[Link](), None, False
    for field, value in _fields(block, _NODE_FIELDS):
        content = _bytes(value)
        if field == 2:
            if closed:
                raise _corrupt("a block has links in two places")
            links.append(_read_link(content))
        elif data is not None:
            raise _corrupt("a block has data twice")
        else:
            data, closed = content, bool(links)
    if data is None:
        raise _corrupt("a block has no data that says what it is")
    return links, data


def _read_link(message: bytes) -> Link:
    values, before = dict[int, int | bytes](), 0
    for field, value in _fields(message, _LINK_FIELDS):
        if field <= before:
            raise _corrupt("a link has a field twice, or in the wrong order")
        values[field], before = value, field
    try:
        name = _bytes(values.get(2, b"")).decode()
    except UnicodeDecodeError:
        raise _corrupt("a link has a name that is not in UTF-8") from None
    return Link(read_cid(_bytes(values.get(1, b""))), name, _number(values.get(3, 0)))


def read_cid(binary: bytes) -> Cid:
    """Returns the CID that all of these bytes spell. Raises `JobRejected` (CORRUPT)."""
    if len(binary) == 2 + DIGEST_BYTES and binary.startswith(_CID_V0):
        return Cid(Codec.DAG_PB, binary[2:])
    codec = _CID_V1.get(binary[:4])
    if codec is None or len(binary) != 4 + DIGEST_BYTES:
        raise _corrupt(
            "a link has a CID that cannot be checked here: it is not sha2-256 of a file or folder "
            "(add it without `--inline` and without another `--hash`)"
        )
    return Cid(codec, binary[4:])


def _read_data(message: bytes) -> _Node:
    single, sizes = dict[int, int | bytes](), list[int]()
    for field, value in _fields(message, _DATA_FIELDS):
        if field == 4:
            sizes.extend([value] if isinstance(value, int) else _packed(value))
        elif field in single:
            raise _corrupt("a block has a field twice")
        else:
            single[field] = value
    try:
        kind = _Type(_number(single.get(1, -1)))
    except ValueError:
        raise _corrupt("a block has a type that UnixFS does not have") from None
    return _Node(
        kind,
        _bytes(single.get(2, b"")),
        _number(single[3]) if 3 in single else None,
        tuple(sizes),
        _number(single.get(5, 0)),
        _number(single.get(6, 0)),
    )


def _packed(content: bytes) -> Iterator[int]:
    position = 0
    while position < len(content):
        number, position = _varint(content, position)
        yield number


def _fields(message: bytes, known: _Known) -> Iterator[tuple[int, int | bytes]]:
    """Yields the fields of a protobuf message in order. Unknown fields and wire types are an error."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        field, wire = tag >> 3, tag & 7
        if wire not in known.get(field, ()):
            raise _corrupt(f"a block has a field {field} of type {wire}, which is not known")
        number, position = _varint(message, position)
        if wire == _Wire.VARINT:
            yield field, number
            continue
        end = position + number
        if end > len(message):
            raise _corrupt("a block ends in the middle of a field")
        yield field, message[position:end]
        position = end


def _varint(message: bytes, position: int) -> tuple[int, int]:
    """Returns a number of up to 64 bits in its shortest form, and the position after it."""
    number = 0
    for index, byte in enumerate(message[position : position + 10]):
        number |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            if number >> 64 or (index and not byte):
                raise _corrupt("a block has a number that is too large, or not in its shortest form")
            return number, position + index + 1
    raise _corrupt("a block ends in the middle of a number, or has one that is too long")


def _bytes(value: int | bytes) -> bytes:
    assert isinstance(value, bytes)
    return value


def _number(value: int | bytes) -> int:
    assert isinstance(value, int)
    return value


def _corrupt(why: str) -> JobRejected:
    return JobRejected(Code.CORRUPT, f"The asset is not a valid IPFS file: {why}. Add the file again.")
