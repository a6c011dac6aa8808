"""Strict reading of PNG, and writing of pixels only; compared with Pillow."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, PngImagePlugin
from tests import decoding

from veriframe.worker.shared.reservations import picture_bytes

png_file = decoding.script("png_file")

PICTURES = st.tuples(
    st.integers(1, 70), st.integers(1, 20), st.integers(1, 4), st.sampled_from([np.uint8, np.uint16])
).flatmap(lambda how: arrays(how[3], how[:3]))


def written(pixels: np.ndarray[Any, Any]) -> bytes:
    """Returns the file of some pixels."""
    stream = io.BytesIO()
    png_file.write(stream, pixels)
    return stream.getvalue()


def read(data: bytes, width: int, height: int) -> np.ndarray[Any, Any]:
    """Returns the pixels of a file."""
    found: np.ndarray[Any, Any] = png_file.read(io.BytesIO(data), width, height)
    return found


def chunk(kind: bytes, body: bytes) -> bytes:
    """Returns one chunk of a file."""
    return struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", zlib.crc32(kind + body))


def png(header: Sequence[int], rows: bytes, *more: bytes, end: bytes = chunk(b"IEND", b"")) -> bytes:
    """Builds a file: width, height, depth, colour type, compression, filtering, interlacing."""
    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", *header)), *more]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IDAT", zlib.compress(rows)) + end


def refusal(data: bytes, width: int = 2, height: int = 2) -> tuple[str, str]:
    """Returns the code and reason for which a file is refused."""
    with pytest.raises(png_file.NotAPictureError) as refused:
        read(data, width, height)
    return refused.value.code, str(refused.value)


GREY = (2, 2, 8, 0, 0, 0, 0)
ROWS = bytes([0, 1, 2, 0, 3, 4])


def test_another_size_is_detected_before_a_row_is_decompressed(monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_86: by the header alone, whatever follows it."""
    monkeypatch.setattr(png_file.zlib, "decompressobj", lambda: pytest.fail("it was unpacked"))
    huge = png((16_000, 6_000, 8, 0, 0, 0, 0), ROWS)
    assert refusal(huge, 64, 36) == ("WRONG_SIZE", "it has 16000×6000 pixels, not 64×36")


def test_one_huge_chunk_is_decompressed_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_86: the rest of it is not copied again for each megabyte."""
    handed = 0
    make = zlib.decompressobj

    class Counting:
        """A decompressor that counts its input bytes."""

        def __init__(self) -> None:
            self.inner = make()

        def decompress(self, data: bytes, most: int) -> bytes:
            """Decompresses like zlib."""
            nonlocal handed
            handed += len(data)
            return self.inner.decompress(data, most)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

    monkeypatch.setattr(png_file.zlib, "decompressobj", Counting)
    rows = np.random.default_rng(7).integers(0, 256, (200, 100_001), dtype=np.uint8)
    rows[:, 0] = 0
    data = png((100_000, 200, 8, 0, 0, 0, 0), rows.tobytes())
    np.testing.assert_array_equal(read(data, 100_000, 200)[:, :, 0], rows[:, 1:])
    assert len(data) > 19_000_000
    assert handed < 2 * len(data)


@given(PICTURES)
def test_what_was_written_is_read_again(pixels: np.ndarray[Any, Any]) -> None:
    """Every sample and depth, with every number of channels."""
    height, width, _ = pixels.shape
    again = read(written(pixels), width, height)
    assert again.dtype == pixels.dtype
    np.testing.assert_array_equal(again, pixels)


@given(PICTURES.filter(lambda pixels: pixels.dtype == np.uint8))
def test_pillow_reads_the_same(pixels: np.ndarray[Any, Any]) -> None:
    """Published files open in other programs too."""
    with Image.open(io.BytesIO(written(pixels))) as image:
        np.testing.assert_array_equal(np.asarray(image).reshape(pixels.shape), pixels)


@pytest.mark.parametrize("which", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("pixel_bytes", [1, 2, 3, 4, 6, 8])
def test_each_filter_is_undone_as_specified(which: int, pixel_bytes: int) -> None:
    """Compared with the specification's formulas; the first row and pixel have no neighbours."""
    rng = np.random.default_rng(which)
    height, width = 5, 7
    rows = rng.integers(0, 256, (height, width * pixel_bytes), np.uint8)
    above = rng.integers(0, 256, width * pixel_bytes, np.uint8)
    expected = as_specified(rows.tolist(), which, above.tolist(), pixel_bytes)
    found = png_file.unfilter(rows, np.full(height, which, np.uint8), above, pixel_bytes)
    assert expected == found.tolist()


def as_specified(rows: list[list[int]], which: int, above: list[int], step: int) -> list[list[int]]:
    """The straightforward implementation of the PNG specification, section 9."""
    done = []
    for row in rows:
        line: list[int] = []
        for at, byte in enumerate(row):
            left = line[at - step] if at >= step else 0
            corner = above[at - step] if at >= step else 0
            up = above[at]
            near = sorted(((abs(p - left - up + corner), n, p) for n, p in enumerate((left, up, corner))))
            line.append((byte + (0, left, up, (left + up) // 2, near[0][2])[which]) % 256)
        done.append(line)
        above = line
    return done


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_what_pillow_writes_is_read(mode: str) -> None:
    """Real filters of libpng, in a picture with more rows than one band."""
    rng = np.random.default_rng(5)
    channels = len(Image.new(mode, (1, 1)).getbands())
    smooth = np.cumsum(rng.integers(-2, 3, (600, 40, channels)), axis=0).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(smooth.squeeze(), mode).save(stream, "PNG", optimize=True)
    np.testing.assert_array_equal(read(stream.getvalue(), 40, 600), smooth)


def test_nothing_but_pixels_is_written() -> None:
    """Blender writes the time and the scene's path into its files; they are removed."""
    stamped = io.BytesIO()
    notes = PngImagePlugin.PngInfo()
    notes.add_text("File", "/home/somebody/secret.blend")
    Image.new("RGB", (3, 2), (1, 2, 3)).save(stamped, "PNG", pnginfo=notes, dpi=(72, 72))
    clean = written(read(stamped.getvalue(), 3, 2))
    assert b"secret" in stamped.getvalue()
    kinds, at = [], 8
    while at < len(clean):
        length, kind = struct.unpack(">I4s", clean[at : at + 8])
        kinds.append(kind)
        at += 12 + length
    assert list(dict.fromkeys(kinds)) == [b"IHDR", b"IDAT", b"IEND"]


@given(PICTURES)
def test_equal_pixels_make_equal_files(pixels: np.ndarray[Any, Any]) -> None:
    """They contain neither time nor random data."""
    assert written(pixels) == written(pixels.copy(order="F"))


BAD = {
    "empty": b"",
    "text": b"no picture",
    "only a signature": b"\x89PNG\r\n\x1a\n",
    "no header": b"\x89PNG\r\n\x1a\n" + chunk(b"IDAT", b""),
    "cut": png(GREY, ROWS)[:-20],
    "no end": png(GREY, ROWS, end=b""),
    "something after its end": png(GREY, ROWS) + b"x",
    "a wrong checksum": png(GREY, ROWS).replace(b"IDAT", b"IDAt"),
    "a palette": png((2, 2, 8, 3, 0, 0, 0), ROWS),
    "two bits": png((2, 2, 2, 0, 0, 0, 0), ROWS),
    "interlaced": png((2, 2, 8, 0, 0, 0, 1), ROWS),
    "an unknown critical part": png(GREY, ROWS, chunk(b"EVIL", b"x")),
    "too few data": png(GREY, ROWS[:-1]),
    "too many data": png(GREY, ROWS + b"x"),
    "a bomb": png(GREY, ROWS + bytes(50_000_000)),
    "an unknown filter": png(GREY, b"\x05" + ROWS[1:]),
    "no data": png(GREY, ROWS).replace(chunk(b"IDAT", zlib.compress(ROWS)), b""),
    "something after its data": png(GREY, ROWS, end=chunk(b"IDAT", b"x") + chunk(b"IEND", b"")),
    "data that are not packed": png(GREY, ROWS).replace(
        chunk(b"IDAT", zlib.compress(ROWS)), chunk(b"IDAT", ROWS)
    ),
    "a length beyond its end": b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s", 2**31 - 1, b"IHDR"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_blender_would_not_write_is_refused(name: str) -> None:
    """fault_20, fault_41: damaged, truncated or malicious."""
    code, why = refusal(BAD[name])
    assert code == "NOT_IMAGE"
    assert why


def test_a_bomb_is_not_decompressed() -> None:
    """fault_18: 50 MB of zeros use no more memory than the piece in which they are detected."""
    bomb = BAD["a bomb"]
    tracemalloc.start()
    try:
        refusal(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000


def test_another_size_is_refused_before_decompression() -> None:
    """fault_43: by the header alone."""
    huge = png((65_535, 65_535, 8, 0, 0, 0, 0), ROWS)
    assert refusal(huge) == ("WRONG_SIZE", "it has 65535×65535 pixels, not 2×2")


@given(st.binary(max_size=40), st.integers(0, 80))
def test_damaged_bytes_are_refused_or_read(damage: bytes, at: int) -> None:
    """fault_20: no other error is raised, whatever the file contains."""
    good = png(GREY, ROWS)
    data = good[:at] + damage + good[at + len(damage) :]
    try:
        shape = read(data, 2, 2).shape
    except png_file.NotAPictureError:
        shape = (2, 2, 1)
    assert shape == (2, 2, 1)


@pytest.mark.parametrize(("width", "height"), [(1, 20_000), (20_000, 1), (300, 300)])
def test_the_space_reserved_for_a_picture_is_enough(width: int, height: int) -> None:
    """fault_87: noise in four channels of 16 bits, which cannot be compressed."""
    noise = np.random.default_rng(1).integers(0, 2**16, (height, width, 4), dtype=np.uint16)
    stream = io.BytesIO()
    png_file.write(stream, noise)
    assert len(stream.getvalue()) <= picture_bytes(width * height)
