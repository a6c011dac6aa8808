"""Reads PNG stills strictly and writes only their pixels, with 8 or 16 bits per sample.

Pillow reduces 16-bit colour to 8 bits, so this module implements the format itself, but for its filters.
It accepts only what Blender writes: no palette, no interlacing, exact lengths, correct checksums. Arrays are
(height, width, channels).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[Any]
"""(height, width, channels), uint8 or native uint16."""

Rows = NDArray[np.uint8]
"""(rows, bytes per row)."""

Bytes = NDArray[np.int16]
"""Bytes in any shape, with enough bits for sums and differences."""

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 4: 2, 2: 3, 6: 4}
"""Colour type → channels: grey, grey and alpha, RGB, RGBA."""

_BAND_ROWS = 512
_WRITTEN_ROWS = 64
_CHUNK_BYTES = 2**20


class NotAPictureError(Exception):
    """The file is not the picture that was expected: `code` NOT_IMAGE or WRONG_SIZE."""

    def __init__(self, why: str, code: str = "NOT_IMAGE") -> None:
        super().__init__(why)
        self.code = code


def read(stream: BinaryIO, width: int, height: int) -> Pixels:
    """The pixels of a PNG of exactly this size. Raises `NotAPictureError`. The size bounds the memory."""
    if stream.read(8) != SIGNATURE:
        raise NotAPictureError("it is not a PNG")
    chunks = _chunks(stream)
    kind, header = next(chunks)
    if kind != b"IHDR" or len(header) != 13:
        raise NotAPictureError("it does not start with a header")
    found_width, found_height, depth, colour, *rest = struct.unpack(">IIBBBBB", header)
    if (found_width, found_height) != (width, height):
        raise NotAPictureError(
            f"it has {found_width}×{found_height} pixels, not {width}×{height}", "WRONG_SIZE"
        )
    if depth not in (8, 16) or colour not in CHANNELS or any(rest):
        raise NotAPictureError(
            f"Blender does not write depth {depth}, colour type {colour} or its interlacing"
        )
    channels, sample = CHANNELS[colour], depth // 8
    pixel_bytes = channels * sample
    raw = np.empty((height, width * pixel_bytes), np.uint8)
    above = np.zeros(width * pixel_bytes, np.uint8)
    at = 0
    for band in _bands(_inflate(chunks), height, 1 + width * pixel_bytes):
        raw[at : at + len(band)] = unfilter(band[:, 1:], band[:, 0], above, pixel_bytes)
        at += len(band)
        above = raw[at - 1]
    samples = raw.view(">u2").astype(np.uint16) if sample == 2 else raw
    return samples.reshape(height, width, channels)


def _chunks(stream: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """The chunks before IEND. The worker limits the file's size, and thereby theirs."""
    while True:
        start = stream.read(8)
        if len(start) != 8:
            raise NotAPictureError("it is cut short")
        length, kind = struct.unpack(">I4s", start)
        body, checksum = stream.read(length), stream.read(4)
        if len(body) != length or len(checksum) != 4:
            raise NotAPictureError("it is cut short")
        if zlib.crc32(kind + body).to_bytes(4, "big") != checksum:
            raise NotAPictureError("a checksum is wrong")
        if kind == b"IEND":
            if stream.read(1):
                raise NotAPictureError("something follows its end")
            return
        yield kind, body


def _inflate(chunks: Iterator[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """The decompressed image data, in pieces of bounded size."""
    unpacker = zlib.decompressobj()
    for kind, body in chunks:
        if kind == b"IDAT":
            # In slices: what is not yet unpacked is copied each time, too much for one huge chunk.
            for start in range(0, len(body), _CHUNK_BYTES):
                waiting = body[start : start + _CHUNK_BYTES]
                while waiting:
                    try:
                        yield unpacker.decompress(waiting, _CHUNK_BYTES)
                    except zlib.error:
                        raise NotAPictureError("its data are damaged") from None
                    waiting = unpacker.unconsumed_tail
                if unpacker.unused_data:
                    raise NotAPictureError("its data are followed by other bytes")
        elif kind[0] & 0x20 == 0:
            raise NotAPictureError("it has a chunk that Blender does not write")
    try:
        yield unpacker.flush()
    except zlib.error:
        raise NotAPictureError("its data are damaged") from None
    if not unpacker.eof:
        raise NotAPictureError("its data are cut short")


def _bands(pieces: Iterator[bytes], height: int, row_bytes: int) -> Iterator[Rows]:
    """Whole rows, each with its filter byte, `_BAND_ROWS` at a time; exactly `height` in total."""
    waiting, left = bytearray(), height
    for piece in pieces:
        waiting += piece
        if len(waiting) > left * row_bytes:
            raise NotAPictureError("it has more data than pixels")
        while len(waiting) >= (rows := min(left, _BAND_ROWS)) * row_bytes and left:
            cut = rows * row_bytes
            yield np.frombuffer(bytes(waiting[:cut]), np.uint8).reshape(rows, row_bytes)
            del waiting[:cut]
            left -= rows
    if left or waiting:
        raise NotAPictureError("it has less data than pixels")


def unfilter(rows: Rows, filters: NDArray[np.uint8], above: NDArray[np.uint8], pixel_bytes: int) -> Rows:
    """Undo PNG's filters in a band of rows; `above` is the unfiltered row before it.

    Raises `NotAPictureError` for an unknown filter.
    """
    if filters.max(initial=0) > 4:
        raise NotAPictureError("an unknown filter")
    if not filters.any():
        return rows
    # The row above comes first, as one without a filter.
    coded = np.concatenate((above[None], rows)).reshape(len(rows) + 1, -1, pixel_bytes)
    kinds = np.concatenate(([0], filters)).astype(np.uint8)
    done = np.empty_like(coded)
    # Filters know no samples: byte n of a pixel depends on bytes n of others only. So up to four bytes of
    # each pixel are decoded by Pillow as if they were a picture of 8 bits.
    for first in range(0, pixel_bytes, 4):
        part = coded[:, :, first : first + 4]
        done[:, :, first : first + 4] = _pillow_unfilter(part, kinds)
    plain: Rows = done[1:].reshape(len(rows), -1)
    return plain


def _pillow_unfilter(coded: Rows, filters: NDArray[np.uint8]) -> Rows:
    """The bytes (rows, pixels, 1 … 4 bytes) of a picture without its filters."""
    height, width, count = coded.shape
    lines = np.concatenate((filters[:, None], coded.reshape(height, -1)), axis=1)
    made = io.BytesIO()
    made.write(SIGNATURE)
    colour = {count: colour for colour, count in CHANNELS.items()}[count]
    _put(made, b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
    _put(made, b"IDAT", zlib.compress(lines.tobytes(), 0))
    _put(made, b"IEND", b"")
    with Image.open(made, formats=["PNG"]) as picture:
        pixels: Rows = np.asarray(picture, np.uint8).reshape(height, width, count)
    return pixels


def _predictions(left: Bytes, up: Bytes, corner: Bytes) -> tuple[Bytes, ...]:
    """The predictions of the five filters: none, left, up, average, Paeth."""
    return (np.zeros_like(left), left, up, (left + up) >> 1, _paeth(left, up, corner))


def _paeth(left: Bytes, up: Bytes, corner: Bytes) -> Bytes:
    """The neighbour nearest to left + up - corner; on a tie left, then up."""
    by_left, by_up, by_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
    return np.where(
        (by_left <= by_up) & (by_left <= by_corner), left, np.where(by_up <= by_corner, up, corner)
    )


def write(stream: BinaryIO, pixels: Pixels) -> None:
    """Write a PNG with a header, pixels and an end. Each row uses the filter with the smallest residues."""
    height, width, channels = pixels.shape
    sample = pixels.dtype.itemsize
    colour = {count: colour for colour, count in CHANNELS.items()}[channels]
    stream.write(SIGNATURE)
    _put(stream, b"IHDR", struct.pack(">IIBBBBB", width, height, 8 * sample, colour, 0, 0, 0))
    packer = zlib.compressobj(6)
    pixel_bytes = channels * sample
    above = np.zeros((1, width * pixel_bytes), np.uint8)
    for start in range(0, height, _WRITTEN_ROWS):
        band = pixels[start : start + _WRITTEN_ROWS]
        raw = np.ascontiguousarray(band, band.dtype.newbyteorder(">")).view(np.uint8).reshape(len(band), -1)
        _put(stream, b"IDAT", packer.compress(_filter(raw, above, pixel_bytes).tobytes()))
        above = raw[-1:]
    _put(stream, b"IDAT", packer.flush())
    _put(stream, b"IEND", b"")


def _filter(raw: Rows, above: Rows, pixel_bytes: int) -> Rows:
    """Rows with their filter byte in front."""
    up = np.concatenate((above, raw[:-1])).astype(np.int16)
    left, corner = (
        np.pad(rows, ((0, 0), (pixel_bytes, 0)))[:, :-pixel_bytes] for rows in (raw.astype(np.int16), up)
    )
    residues = np.stack([(raw - guess).astype(np.uint8) for guess in _predictions(left, up, corner)])
    # The usual heuristic: the sum of the absolute residues, taken as signed bytes.
    sizes = np.minimum(residues, 256 - residues.astype(np.int16)).sum(axis=2, dtype=np.int64)
    best = sizes.argmin(axis=0)
    chosen = residues[best, np.arange(len(raw))]
    return np.concatenate((best.astype(np.uint8)[:, None], chosen), axis=1)


def _put(stream: BinaryIO, kind: bytes, body: bytes) -> None:
    if body or kind != b"IDAT":
        checksum = zlib.crc32(kind + body)
        stream.write(struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", checksum))
