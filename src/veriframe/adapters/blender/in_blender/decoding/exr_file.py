"""Reads and writes OpenEXR stills as Blender makes them: one flat part; only pixels are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
from pixel_digest import TILE, Planes  # type: ignore[import-not-found]
from png_file import NotAPictureError  # type: ignore[import-not-found]

ORDER = ("R", "G", "B", "A")

MOST_CHANNELS = 1024
MOST_NAME_BYTES = 255

LAYERED = {"BlenderMultiChannel": "Blender V2.55.1 and newer"}
"""By this attribute, which has the same value in all files, Blender knows a picture with layers."""

TILES = OpenEXR.TileDescription()
TILES.xSize = TILES.ySize = TILE
TILES.mode, TILES.roundingMode = OpenEXR.ONE_LEVEL, OpenEXR.ROUND_DOWN


def read(path: Path, width: int, height: int) -> Planes:
    """The channels R, G, B and perhaps A, all float16 or all float32. Raises `NotAPictureError`."""
    planes = _read(path, width, height, len(ORDER))
    if set(planes) not in ({*ORDER[:3]}, {*ORDER}):
        raise NotAPictureError("its channels are not R, G, B and optionally A")
    if len({plane.dtype for plane in planes.values()}) != 1:
        raise NotAPictureError("its channels differ in depth")
    return {name: planes[name] for name in ORDER if name in planes}


def read_layers(path: Path, width: int, height: int, most_channels: int = MOST_CHANNELS) -> Planes:
    """All channels of a picture with layers, such as `ViewLayer.Combined.R`. Raises `NotAPictureError`."""
    planes = _read(path, width, height, most_channels)
    if any(name.count(".") < 2 for name in planes):
        raise NotAPictureError("a channel is not named LAYER.PASS.CHANNEL")
    return planes


def _read(path: Path, width: int, height: int, most_channels: int) -> Planes:
    # The header is checked first, so that the size and the channels bound the memory.
    try:
        _check_header(OpenEXR.File(str(path), header_only=True), width, height, most_channels)
        channels = OpenEXR.File(str(path), separate_channels=True).channels()
    except (NotAPictureError, MemoryError):
        raise
    except Exception:  # noqa: BLE001  # the library raises arbitrary exceptions, which name passing files
        raise NotAPictureError("it is damaged, or no OpenEXR file") from None
    planes = {name: channel.pixels for name, channel in channels.items()}
    if any(plane.shape != (height, width) for plane in planes.values()):
        raise NotAPictureError("its channels differ in size")
    if any(plane.dtype not in (np.float16, np.float32) for plane in planes.values()):
        raise NotAPictureError("its samples are not floating-point numbers")
    return planes


def _check_header(file: OpenEXR.File, width: int, height: int, most_channels: int) -> None:
    if len(file.parts) != 1:
        raise NotAPictureError("it has more than one part")
    low, high = (np.asarray(corner) for corner in file.header()["dataWindow"])
    found_width, found_height = (int(n) for n in high - low + 1)
    if (found_width, found_height) != (width, height) or low.any():
        raise NotAPictureError(
            f"it has {found_width}×{found_height} pixels, not {width}×{height}", "WRONG_SIZE"
        )
    channels = file.header()["channels"]
    if not 0 < len(channels) <= most_channels:
        raise NotAPictureError(f"it has {len(channels)} channels, and may have {most_channels}")
    if any(len(channel.name.encode()) > MOST_NAME_BYTES for channel in channels):
        raise NotAPictureError("a channel's name is too long")


def write(path: Path, planes: Planes, *, tiled: bool = False) -> None:
    """Write the same samples to an EXR with lossless compression. `tiled`: by the tiles of the digest."""
    header: dict[str, Any] = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    if tiled:
        header |= {"type": OpenEXR.tiledimage, "tiles": TILES}
    if any("." in name for name in planes):
        header |= LAYERED
    channels = {name: np.ascontiguousarray(plane) for name, plane in planes.items()}
    OpenEXR.File(header, channels).write(str(path))
