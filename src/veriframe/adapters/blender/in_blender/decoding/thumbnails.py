"""Small JPEGs of frames: at most 256 pixels on a side, opaque, without metadata."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 256
"""The longest side in pixels."""

GROUND = np.float32(24 / 255)
"""The grey behind transparent pixels."""

BRIGHTEST = np.float32(1e4)
"""Samples are clipped to this before they are averaged, infinite ones too."""

QUALITY = 85

Small = NDArray[np.float32]
"""(height, width, channels), small enough for a thumbnail."""


def write(path: Path, pixels: NDArray[Any]) -> None:
    """Write the thumbnail of a picture: (height, width, channels), grey or RGB, perhaps with alpha."""
    save(Image.fromarray((shown(pixels) * 255 + 0.5).astype(np.uint8)), path)


def save(picture: Image.Image, path: Path) -> None:
    """Write a new JPEG, without metadata."""
    with path.open("xb") as stream:
        picture.save(stream, "JPEG", quality=QUALITY)


def opened(path: Path) -> Image.Image:
    """A thumbnail's pixels. Raises `ValueError` for a larger picture, and what Pillow raises."""
    with Image.open(path, formats=["JPEG"]) as picture:
        if max(picture.size) > SIDE:
            raise ValueError("it is no thumbnail")
        return picture.convert("RGB")


def shown(pixels: NDArray[Any]) -> Small:
    """The small picture as a screen shows it: RGB, 0 … 1, before grey."""
    small = shrunk(pixels)
    channels = small.shape[2]
    colour = np.repeat(small[:, :, :1], 3, axis=2) if channels < 3 else small[:, :, :3]
    alpha = np.clip(small[:, :, -1:], 0, 1) if channels in (2, 4) else np.float32(1)
    # An EXR's colours are multiplied by alpha already.
    light = tone_mapped(colour) if pixels.dtype.kind == "f" else colour * alpha
    result: Small = np.clip(light + (1 - alpha) * GROUND, 0, 1)
    return result


def shrunk(pixels: NDArray[Any]) -> Small:
    """The picture with integers as 0 … 1, each pixel the mean of a block."""
    height, width, channels = pixels.shape
    scale = min(1.0, SIDE / max(height, width))
    down, across = (max(1, round(side * scale)) for side in (height, width))
    tops, lefts = (np.arange(n) * side // n for n, side in ((down, height), (across, width)))
    small = np.empty((down, across, channels), np.float32)
    for row, (top, bottom) in enumerate(zip(tops, [*tops[1:], height], strict=True)):
        band = pixels[top:bottom].astype(np.float32)
        if pixels.dtype.kind == "f":
            band = np.nan_to_num(np.clip(band, 0, BRIGHTEST))
        small[row] = np.add.reduceat(band.mean(axis=0), lefts, axis=0)
    small /= np.diff(lefts, append=width)[None, :, None]
    return small if pixels.dtype.kind == "f" else small / np.iinfo(pixels.dtype).max


def tone_mapped(light: Small) -> Small:
    """Linear light as a screen shows it. The curve keeps what is brighter than white; then sRGB's gamma."""
    squeezed = light * (1 + light / 16) / (1 + light)
    curved = np.where(squeezed <= 0.0031308, squeezed * 12.92, 1.055 * squeezed ** (1 / 2.4) - 0.055)
    result: Small = np.clip(curved, 0, 1)
    return result
