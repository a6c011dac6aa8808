"""A second implementation of the pixel digest, written from docs/formats.md alone, by other means."""

from __future__ import annotations

import hashlib
import itertools
import string
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
from numpy.typing import NDArray

Samples = NDArray[Any]
"""(height, width), of one channel."""

KEPT = frozenset((string.ascii_letters + string.digits + "-._~").encode())


def digest_of(file: Path) -> str:
    """The digest of a PNG or an EXR, in hex."""
    return tree(tiles_of(file)).hex()


def tiles_of(file: Path) -> list[bytes]:
    """The contents of all tiles."""
    channels = png(file.read_bytes()) if file.suffix == ".png" else exr(file)
    return contents(channels)


def contents(channels: dict[str, Samples]) -> list[bytes]:
    """The tiles' contents, by rows."""
    names = sorted(channels, key=lambda name: name.encode("utf-8"))
    for usual in ("Y", "YA", "RGB", "RGBA"):
        if sorted(usual) == names:
            names = list(usual)
    kinds = {channels[name].dtype.name for name in names}
    kind = {"uint8": "u1", "uint16": "u2", "float16": "f2", "float32": "f4"}[
        "float32" if "float32" in kinds else kinds.pop()
    ]
    height, width = channels[names[0]].shape
    result = []
    for y, x in itertools.product(range(0, height, 64), range(0, width, 64)):
        down, across = min(64, height - y), min(64, width - x)
        head = (1, width, height, x, y, across, down, ",".join(map(escaped, names)), kind)
        cell = np.array(
            [
                [[channels[name][row, column] for name in names] for column in range(x, x + across)]
                for row in range(y, y + down)
            ],
            dtype="<" + kind,
        )
        if kind[0] == "f":
            cell = np.where(np.isnan(cell), np.array(float("nan"), cell.dtype), cell)
            cell = np.where(cell == 0, np.zeros((), cell.dtype), cell)
        line = f"veriframe-tile {' '.join(map(str, head))}\n".encode()
        result.append(line + cell.astype("<" + kind).tobytes())
    return result


def escaped(name: str) -> str:
    """A name as the header has it."""
    return "".join(chr(byte) if byte in KEPT else f"%{byte:02X}" for byte in name.encode())


def tree(leaves: list[bytes]) -> bytes:
    """Section 2.1 of RFC 6962, as it is written there."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + tree(leaves[:k]) + tree(leaves[k:])).digest()


def exr(file: Path) -> dict[str, Samples]:
    """The channels of an EXR."""
    found = OpenEXR.File(str(file), separate_channels=True).channels()
    return {name: channel.pixels for name, channel in found.items()}


def png(data: bytes) -> dict[str, Samples]:
    """The channels of a PNG, byte by byte."""
    at, body, head = 8, b"", (0, 0, 0, 0)
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        if kind == b"IHDR":
            head = struct.unpack(">IIBB", data[at + 8 : at + 18])
        if kind == b"IDAT":
            body += data[at + 8 : at + 8 + length]
        at += 12 + length
    width, height, depth, colour = head
    names = {0: "Y", 4: "YA", 2: "RGB", 6: "RGBA"}[colour]
    step = len(names) * depth // 8
    flat, above = zlib.decompress(body), bytes(width * step)
    rows = []
    for row in range(height):
        start = row * (1 + width * step)
        above = unfiltered(flat[start], flat[start + 1 : start + 1 + width * step], above, step)
        rows.append(np.frombuffer(above, f">u{depth // 8}").reshape(width, len(names)))
    pixels = np.stack(rows)
    return {name: pixels[:, :, n].astype(f"u{depth // 8}") for n, name in enumerate(names)}


def unfiltered(kind: int, coded: bytes, above: bytes, step: int) -> bytes:
    """One row without its filter."""
    row = bytearray()
    for place, value in enumerate(coded):
        a = row[place - step] if place >= step else 0
        b, c = above[place], above[place - step] if place >= step else 0
        nearest = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]
        row.append((value + (0, a, b, (a + b) // 2, nearest)[kind]) % 256)
    return bytes(row)
