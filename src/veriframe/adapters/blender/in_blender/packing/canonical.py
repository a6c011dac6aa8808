"""Makes equal scenes equal files: a saved, uncompressed `.blend` without what differs between two saves.

Blender names each block of data by the address that it had in memory, and saves whole structures: with
pointers that no reader uses, with what stood behind the end of a text before, and with padding. Here,
addresses become numbers in the order of their blocks, and the rest becomes zero. What a reader gets is the
same.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Words = np.ndarray[Any, np.dtype[np.uint64]]

_TEXT_BYTES = 64
"""Arrays of characters of at least this length are texts: names and paths."""

_OWN_PATH = ("FileGlobal", ("filename", "filepath"))
"""The field in which a scene says where it was saved."""


@dataclass(frozen=True)
class Block:
    """One block: where its head and its data lie, the old address, the structure's number, and how many."""

    code: bytes
    head: int
    data: int
    size: int
    old: int
    structure: int
    count: int


@dataclass
class Layout:
    """Where a structure has pointers, texts (with their lengths) and padding, in bytes from its start."""

    size: int = 0
    pointers: list[int] = field(default_factory=list)
    texts: list[tuple[int, int]] = field(default_factory=list)
    blank: list[tuple[int, int]] = field(default_factory=list)

    def add(self, other: Layout, at: int) -> None:
        """Add a structure inside this one."""
        self.pointers += [at + place for place in other.pointers]
        self.texts += [(at + place, size) for place, size in other.texts]
        self.blank += [(at + place, size) for place, size in other.blank]


class Structures:
    """The file's own description of its structures (its DNA1 block)."""

    def __init__(self, dna: bytes) -> None:
        """Parse it. Raises `ValueError` for anything else."""
        self._data, self._at = dna, 0
        self._expect(b"SDNA")
        self._names = self._texts(b"NAME")
        self._types = self._texts(b"TYPE")
        self._expect(b"TLEN")
        self._sizes = self._numbers("H", len(self._types))
        self._expect(b"STRC")
        (count,) = self._numbers("I", 1)
        self._fields: list[tuple[int, list[tuple[int, int]]]] = []
        for _ in range(count):
            kind, fields = self._numbers("H", 2)
            flat = self._numbers("H", 2 * fields)
            self._fields.append((kind, list(zip(flat[::2], flat[1::2], strict=True))))
        self._by_type = {kind: number for number, (kind, _) in enumerate(self._fields)}
        self._layouts: dict[int, Layout] = {}

    def layout(self, number: int) -> Layout:
        """The layout of structure `number`."""
        if number not in self._layouts:
            kind, fields = self._fields[number]
            made = Layout()
            for field_type, field_name in fields:
                self._add_field(made, self._types[kind], field_type, self._names[field_name])
            self._layouts[number] = made
        return self._layouts[number]

    def _add_field(self, made: Layout, owner: str, kind: int, name: str) -> None:
        shape = [int(size) for size in re.findall(r"\[(\d+)\]", name)]
        count, at = int(np.prod(shape)) if shape else 1, made.size
        if name.startswith(("*", "(")):
            made.pointers += [at + 8 * index for index in range(count)]
            made.size += 8 * count
            return
        size = self._sizes[kind]
        made.size += size * count
        bare = name.partition("[")[0]
        if bare.startswith("_pad") or (owner == _OWN_PATH[0] and bare in _OWN_PATH[1]):
            made.blank.append((at, size * count))
        elif kind in self._by_type and size:
            inner = self.layout(self._by_type[kind])
            for index in range(count):
                made.add(inner, at + index * size)
        elif self._types[kind] == "char" and shape and shape[-1] >= _TEXT_BYTES:
            made.texts += [(at + index, shape[-1]) for index in range(0, count, shape[-1])]

    def _expect(self, mark: bytes) -> None:
        self._at = (self._at + 3) // 4 * 4
        if self._data[self._at : self._at + 4] != mark:
            raise ValueError(f"no {mark.decode()} in the description of structures")
        self._at += 4

    def _texts(self, mark: bytes) -> list[str]:
        self._expect(mark)
        (count,) = self._numbers("I", 1)
        texts = []
        for _ in range(count):
            end = self._data.index(b"\0", self._at)
            texts.append(self._data[self._at : end].decode("ascii"))
            self._at = end + 1
        return texts

    def _numbers(self, kind: str, count: int) -> tuple[int, ...]:
        found = struct.unpack_from(f"<{count}{kind}", self._data, self._at)
        self._at += struct.calcsize(f"<{count}{kind}")
        return found


def blocks_of(data: bytes | bytearray) -> list[Block]:
    """The blocks of an uncompressed `.blend` of this machine's kind. Raises `ValueError`."""
    if data[:7] != b"BLENDER":
        raise ValueError("not an uncompressed .blend")
    # Blender 5 has a longer header and longer block heads.
    is_long = data[7:9].isdigit()
    at, layout = (int(data[7:9]), "<4sIQQQ") if is_long else (12, "<4sIQII")
    found = []
    while True:
        values = struct.unpack_from(layout, data, at)
        if is_long:
            code, number, old, size, count = values
        else:
            code, size, old, number, count = values
        head, start = at, at + struct.calcsize(layout)
        found.append(Block(code, head, start, size, old, number, count))
        at = start + size
        if code == b"ENDB":
            return found
        if at > len(data):
            raise ValueError("a block ends behind the file")


def make_canonical(data: bytearray) -> None:
    """Change the file's bytes in place. Raises `ValueError`, `struct.error`."""
    blocks = blocks_of(data)
    dna = next(block for block in blocks if block.code == b"DNA1")
    structures = Structures(bytes(data[dna.data : dna.data + dna.size]))
    numbers: dict[int, int] = {0: 0}
    for block in blocks:
        numbers.setdefault(block.old, 16 * len(numbers))
    known = np.array(sorted(numbers), dtype=np.uint64)
    renamed = np.array([numbers[int(old)] for old in known], dtype=np.uint64)
    for block in blocks:
        struct.pack_into("<Q", data, block.head + 8, numbers[block.old])
        if block.code == b"REND":
            _end_texts(data, block.data, [(8, block.size - 8)])
        elif block.code in {b"DNA1", b"ENDB", b"TEST"}:
            continue
        elif block.structure == 0:
            _rename_array(data, block, known, renamed)
        else:
            _clean(data, block, structures.layout(block.structure), known, renamed)


def _clean(data: bytearray, block: Block, layout: Layout, known: Words, renamed: Words) -> None:
    """Clean an array of structures."""
    if layout.size * block.count != block.size:
        return
    for place in layout.pointers:
        words: Words = np.ndarray(block.count, "<u8", data, block.data + place, (layout.size,))
        places = np.minimum(np.searchsorted(known, words), len(known) - 1)
        words[:] = np.where(known[places] == words, renamed[places], 0)
    for start in range(block.data, block.data + block.size, layout.size):
        _end_texts(data, start, layout.texts)
        for place, size in layout.blank:
            data[start + place : start + place + size] = bytes(size)


def _end_texts(data: bytearray, start: int, texts: list[tuple[int, int]]) -> None:
    """Remove what stands behind the end of each text."""
    for place, size in texts:
        begin, stop = start + place, start + place + size
        end = data.find(b"\0", begin, stop)
        if end >= 0:
            data[end:stop] = bytes(stop - end)


def _rename_array(data: bytearray, block: Block, known: Words, renamed: Words) -> None:
    """Rename the addresses of a block without a structure, if it is an array of them.

    Such blocks hold anything. In other data, hardly a word is the address of a block.
    """
    words: Words = np.ndarray(block.size // 8, "<u8", data, block.data)
    used = np.count_nonzero(words)
    if not used:
        return
    places = np.minimum(np.searchsorted(known, words), len(known) - 1)
    hits = (known[places] == words) & (words > 0)
    if 2 * np.count_nonzero(hits) >= used:
        words[hits] = renamed[places[hits]]
