"""The pixel digest of docs/formats.md: a Merkle root over 64×64 tiles. Equal pixels have equal digests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

TILE = 64
"""The side of a tile in pixels; tiles at the right and lower edge may be smaller."""

ORDINARY = (("Y",), ("Y", "A"), ("R", "G", "B"), ("R", "G", "B", "A"))
"""Pictures of these channels keep this order. All others are sorted by name."""

Plane = NDArray[Any]
"""The samples of one channel, (height, width): uint8, uint16, float16 or float32."""

Planes = Mapping[str, Plane]
"""Channels by name, all of one size."""


def ordered(names: Sequence[str]) -> tuple[str, ...]:
    """The channels in the digest's order."""
    for ordinary in ORDINARY:
        if set(names) == set(ordinary):
            return ordinary
    return tuple(sorted(names, key=lambda name: name.encode()))


def channel_names(names: Sequence[str]) -> str:
    """The channels as a tile's header has them."""
    return ",".join(quote(name, safe="") for name in ordered(names))


def leaves(planes: Planes, corner: Sequence[int] = (0, 0), size: Sequence[int] | None = None) -> list[bytes]:
    """The hashes of the tiles: the upper row first, each from left to right.

    `size`: the planes are a part of a picture of this width and height, which begins at this left and top
    pixel; tiles at its edges are cut off there.
    """
    ordered_planes = [planes[name] for name in ordered(list(planes))]
    (height, width), (left, top) = ordered_planes[0].shape, corner
    whole_width, whole_height = size or (width, height)
    # Half-precision samples beside single-precision ones are widened, which changes no value.
    dtype = np.result_type(*(plane.dtype for plane in ordered_planes))
    names, kind = channel_names(list(planes)), f"{dtype.kind}{dtype.itemsize}"
    found = []
    for y, down in spans(top, height):
        rows = np.s_[y - top : y - top + down]
        band = canonical(np.stack([plane[rows] for plane in ordered_planes], axis=2, dtype=dtype))
        for x, across in spans(left, width):
            tile = band[:, x - left : x - left + across]
            place = f"{whole_width} {whole_height} {x} {y} {across} {down}"
            header = f"veriframe-tile 1 {place} {names} {kind}\n"
            found.append(hashlib.sha256(b"\0" + header.encode("ascii") + tile.tobytes()).digest())
    return found


def spans(start: int, length: int) -> Iterator[tuple[int, int]]:
    """Where tiles begin from `start` on, and how many pixels of each there are within `length`."""
    at, end = start, start + length
    while at < end:
        following = min(end, (at // TILE + 1) * TILE)
        yield at, following - at
        at = following


def canonical(samples: Plane) -> Plane:
    """The samples little-endian; each NaN is the same one, and zero has no sign."""
    samples = samples.astype(samples.dtype.newbyteorder("<"), copy=False)
    if samples.dtype.kind == "f":
        with np.errstate(invalid="ignore"):  # a signalling NaN
            samples += samples.dtype.type(0)  # -0 + 0 = +0
        samples[np.isnan(samples)] = np.nan
    return samples


def root(hashes: Sequence[bytes]) -> bytes:
    """The Merkle root over leaf hashes, as in RFC 6962, section 2.1."""
    level = list(hashes)
    while len(level) > 1:
        above = [
            hashlib.sha256(b"\1" + level[at] + level[at + 1]).digest() for at in range(0, len(level) - 1, 2)
        ]
        level = above + level[len(level) - len(level) % 2 :]
    return level[0]


def digest(planes: Planes) -> str:
    """The picture's digest, in hex."""
    return root(leaves(planes)).hex()
