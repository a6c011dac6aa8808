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
from veriframe.verifier.proof_ranges import MOST_HEADER_BYTES, Read, fetch_tiles

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


async def test_the_wanted_tiles_lie_at_their_places(tmp_path: Path) -> None:
    """All else is zeros, and the start of the file is there."""
    content = proof(tmp_path)
    target = tmp_path / "sparse.exr"
    await fetch_tiles(Reads(content), [5], COUNT, target)
    found = target.read_bytes()
    assert len(found) <= len(content)
    kept = [at for at in range(len(found)) if found[at]]
    assert all(found[at] == content[at] for at in kept)
    assert 64 * 64 < sum(map(bool, found)) < len(content) / 3


async def test_a_tile_of_many_channels_is_read_again_at_its_length(tmp_path: Path) -> None:
    """It is longer than the first look."""
    start = proof(tmp_path)
    table = _table(start)
    offsets = list(struct.unpack_from(f"<{COUNT}Q", start, table))
    long = b"\1" * 300_000
    content = bytearray(start[: offsets[0]]) + struct.pack("<iiiii", 0, 0, 0, 0, len(long)) + long
    target = tmp_path / "sparse.exr"
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
        await fetch_tiles(reads, [0], COUNT, tmp_path / "sparse.exr")
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
