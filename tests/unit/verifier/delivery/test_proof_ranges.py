"""Single tiles of a tiled EXR are read by their offsets; what is no such file is refused."""

from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veriframe.errors import Code, ValidationFailed
from veriframe.model.verification.tiles import TileGrid
from veriframe.verifier.delivery.proof_ranges import MOST_HEADER_BYTES, Read, fetch_tiles

SIZE = (200, 130)
COUNT = TileGrid(*SIZE).count


def proof(folder: Path) -> bytes:
    """A tiled EXR of 4 × 3 tiles."""
    tiles = OpenEXR.TileDescription()
    tiles.xSize = tiles.ySize = 64
    tiles.mode, tiles.roundingMode = OpenEXR.ONE_LEVEL, OpenEXR.ROUND_DOWN
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.tiledimage, "tiles": tiles}
    pixels = np.random.default_rng(1).random(SIZE[::-1], dtype=np.float32)
    file = folder / "proof.exr"
    OpenEXR.File(header, {"L.Noisy Image.R": pixels}).write(str(file))
    return file.read_bytes()


class Reads:
    """Reads of a file, and how many bytes they asked for."""

    def __init__(self, content: bytes) -> None:
        self.content, self.asked = content, 0

    async def __call__(self, offset: int, length: int) -> bytes:
        """A range."""
        assert length <= 2**22
        found = self.content[offset : offset + length]
        self.asked += len(found)
        return found


async def test_the_wanted_tiles_lie_behind_the_table(tmp_path: Path) -> None:
    """In their order, with the header as it was; the table has nothing for the others."""
    content = proof(tmp_path)
    target = tmp_path / "some.exr"
    await fetch_tiles(Reads(content), [5, 2], COUNT, target)
    found, table = target.read_bytes(), _table(content)
    theirs, ours = (struct.unpack_from(f"<{COUNT}Q", whole, table) for whole in (content, found))
    assert found[:table] == content[:table]
    assert [tile for tile in range(COUNT) if ours[tile]] == [2, 5]
    pieces = b""
    for tile in (5, 2):
        assert ours[tile] == table + 8 * COUNT + len(pieces)
        length = 20 + struct.unpack_from("<i", content, theirs[tile] + 16)[0]
        assert length > 64 * 64
        pieces += content[theirs[tile] : theirs[tile] + length]
    assert found[table + 8 * COUNT :] == pieces


async def test_a_tile_far_behind_takes_no_room(tmp_path: Path) -> None:
    """fault_269: the file is as long as what came, not as the offset says; copies would fill its hole."""
    start, far, tile = (
        b"\x76\x2f\x31\x01\2\2\0\0\0",
        2**40 - 1,
        struct.pack("<5i", 0, 0, 0, 0, 100) + b"x" * 100,
    )

    async def read(offset: int, length: int) -> bytes:
        if offset == 0:
            return (start + struct.pack("<Q", far)).ljust(min(length, 2**14), b"\0")
        assert offset == far
        return tile

    target = tmp_path / "some.exr"
    await fetch_tiles(read, [0], 1, target)
    assert target.read_bytes() == start + struct.pack("<Q", len(start) + 8) + tile


async def test_a_tile_of_many_channels_is_read_again_at_its_length(tmp_path: Path) -> None:
    """It is longer than the first look."""
    start = proof(tmp_path)
    table = _table(start)
    offsets = list(struct.unpack_from(f"<{COUNT}Q", start, table))
    long = b"\1" * 300_000
    content = bytearray(start[: offsets[0]]) + struct.pack("<iiiii", 0, 0, 0, 0, len(long)) + long
    target = tmp_path / "some.exr"
    await fetch_tiles(Reads(bytes(content)), [0], COUNT, target)
    assert target.read_bytes()[-300_000:] == long


def _table(content: bytes) -> int:
    """Where the table of offsets begins: its first entry is the place behind it."""
    for at in range(8, len(content) - 8):
        if struct.unpack_from("<Q", content, at)[0] == at + 8 * COUNT:
            return at
    raise AssertionError


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PNG" * 100,
        b"\x76\x2f\x31\x01",
        b"\x76\x2f\x31\x01\2\0\0\0" + b"a" * 3_000_000,
        b"\x76\x2f\x31\x01\2\0\0\0" + b"name\0type\0" + struct.pack("<i", -1) + b"\0" * 100,
        b"\x76\x2f\x31\x01\2\0\0\0" + b"name\0type\0" + struct.pack("<i", 2**31 - 1) + b"\0" * 100,
        b"\x76\x2f\x31\x01\2\0\0\0\0",
        b"\x76\x2f\x31\x01\2\0\0\0\0" + struct.pack("<Q", 2**63) * COUNT,
        b"\x76\x2f\x31\x01\2\0\0\0\0" + struct.pack("<Q", 0) * COUNT,
        b"\x76\x2f\x31\x01\2\0\0\0\0" + struct.pack("<Q", 9 + 8 * COUNT) * COUNT + b"\xff" * 20,
        b"\x76\x2f\x31\x01\2\0\0\0\0" + struct.pack("<Q", 9 + 8 * COUNT) * COUNT + b"\0" * 20,
    ],
)
async def test_what_is_no_proof_is_refused_after_few_bytes(content: bytes, tmp_path: Path) -> None:
    """No more than the largest header is read."""
    reads = Reads(content)
    with pytest.raises(ValidationFailed) as refused:
        await fetch_tiles(reads, [0], COUNT, tmp_path / "some.exr")
    assert refused.value.code is Code.NOT_IMAGE
    assert reads.asked <= 8 * MOST_HEADER_BYTES


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 300))
async def test_damage_is_refused_or_read_within_bounds(damage: bytes, at: int) -> None:
    """Nothing but `ValidationFailed` comes of it."""
    start = b"\x76\x2f\x31\x01\2\0\0\0" + b"name\0type\0" + struct.pack("<i", 4) + b"abcd" + b"\0"
    offsets = struct.pack("<Q", len(start) + 8 * COUNT) * COUNT
    content = bytearray(start + offsets + struct.pack("<iiiii", 0, 0, 0, 0, 4) + b"data")
    content[at : at + len(damage)] = damage
    read: Read = Reads(bytes(content))
    with suppress(ValidationFailed):
        await fetch_tiles(read, [0], COUNT, Path("/dev/null"))
