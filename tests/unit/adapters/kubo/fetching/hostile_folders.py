"""A small folder as blocks, and malicious folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.adapters.kubo.blocks.vectors import file_of, folder, link, name_of, node

from veriframe.errors import Code
from veriframe.model.content.cid import Codec

LEAVES = tuple(bytes([number]) * 1000 for number in range(1, 6))
FILE = file_of([(name_of(leaf, Codec.RAW), 1000) for leaf in LEAVES])
SMALL = b"small"
SUB = folder([link(name_of(FILE), "large"), link(name_of(SMALL, Codec.RAW), "same")])
TOP = folder([link(name_of(SMALL, Codec.RAW), "small"), link(name_of(SUB), "sub")])
ROOT = name_of(TOP)
"""A file of five leaves in a folder in a folder, and one small file twice."""
FILES = {"small": SMALL, "sub/large": b"".join(LEAVES), "sub/same": SMALL}
SIZE_BYTES = sum(map(len, FILES.values()))
BLOCKS = {
    **{name_of(block): block for block in (TOP, SUB, FILE)},
    **{name_of(leaf, Codec.RAW): leaf for leaf in (SMALL, *LEAVES)},
}

SYMLINK = node([], b"\x08\x04\x12\x0b/etc/passwd")
LEAF = link(name_of(SMALL, Codec.RAW), "x")
SHARD = b"\x08\x05\x28\x22\x30\x08"


def files_in(top: Path) -> dict[str, bytes]:
    """All files below a folder, hidden ones too."""
    return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}


def shards() -> list[bytes]:
    """A large folder with one name in two of its shards."""
    parts = [node([link(name_of(SMALL, Codec.RAW), f"{place}same")], SHARD) for place in "12"]
    top = node([link(name_of(part), str(number)) for number, part in enumerate(parts)], SHARD)
    return [top, *parts]


def nested(depth: int) -> list[bytes]:
    """Folders in folders."""
    blocks = [folder([LEAF])]
    for _ in range(depth):
        blocks.insert(0, folder([link(name_of(blocks[0]), "f")]))
    return blocks


def doubled(depth: int) -> list[bytes]:
    """The same folder twice in a folder, repeatedly: a few blocks, and 2 ** depth entries."""
    blocks = [folder([LEAF])]
    for _ in range(depth):
        same = name_of(blocks[0])
        blocks.insert(0, folder([link(same, "a"), link(same, "b")]))
    return blocks


def repeated(depth: int) -> list[bytes]:
    """A large folder with a part twice: a few blocks, and 2 ** depth places for them."""
    blocks = [node([], SHARD)]
    for _ in range(depth):
        same = name_of(blocks[0])
        blocks.insert(0, node([link(same, "0"), link(same, "1")], SHARD))
    return blocks


HOSTILE = [
    pytest.param([folder([link(name_of(SMALL, Codec.RAW), "..")])], Code.CORRUPT, id="dots"),
    pytest.param([folder([link(name_of(SMALL, Codec.RAW), "../../x")])], Code.CORRUPT, id="a path"),
    pytest.param([folder([link(name_of(SMALL, Codec.RAW), "a\0b")])], Code.CORRUPT, id="NUL"),
    pytest.param([folder([link(name_of(SMALL, Codec.RAW), "")])], Code.CORRUPT, id="no name"),
    pytest.param([folder([link(name_of(SMALL, Codec.RAW), "x" * 256)])], Code.CORRUPT, id="too long"),
    pytest.param([folder([link(name_of(SMALL, Codec.RAW), "g\u202ep")])], Code.CORRUPT, id="bidi"),
    pytest.param([folder([LEAF, LEAF])], Code.CORRUPT, id="a name twice"),
    pytest.param(shards(), Code.CORRUPT, id="a name in two shards"),
    pytest.param(repeated(20), Code.CORRUPT, id="a shard twice"),
    pytest.param([folder([link(name_of(SYMLINK), "link")]), SYMLINK], Code.CORRUPT, id="a symlink"),
    pytest.param([SYMLINK], Code.NOT_A_FILE, id="a symlink alone"),
    pytest.param([FILE], Code.NOT_A_FILE, id="a file"),
    pytest.param(nested(20), Code.TOO_LARGE, id="too deep"),
    pytest.param(doubled(7), Code.TOO_LARGE, id="too many entries"),
    pytest.param([node([link(name_of(FILE), "0")], SHARD), FILE], Code.CORRUPT, id="a file for a shard"),
    pytest.param(
        [folder([link(name_of(file_of([(ROOT, 1)])), "f")]), file_of([(ROOT, 1)])],
        Code.CORRUPT,
        id="a folder for a part of a file",
    ),
    pytest.param(
        [
            folder([link(name_of(file_of([(name_of(SMALL, Codec.RAW), 4)])), "f")]),
            file_of([(name_of(SMALL, Codec.RAW), 4)]),
        ],
        Code.CORRUPT,
        id="a part of another size",
    ),
    pytest.param(
        [
            folder([link(name_of(file_of([(name_of(SMALL, Codec.RAW), 2**40)])), "f")]),
            file_of([(name_of(SMALL, Codec.RAW), 2**40)]),
        ],
        Code.TOO_LARGE,
        id="too many bytes",
    ),
]
