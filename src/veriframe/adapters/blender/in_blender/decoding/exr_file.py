"""Reads and writes OpenEXR stills as Blender makes them: one flat part; only pixels are written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import OpenEXR
from png_file import NotAPictureError, Pixels  # type: ignore[import-not-found]

ORDER = ("R", "G", "B", "A")


def read(path: Path, width: int, height: int) -> Pixels:
    """The pixels, (height, width, channels) in the order R, G, B, A, float16 or float32.

    Raises `NotAPictureError`. The header is checked first, so that the size bounds the memory.
    """
    try:
        header = OpenEXR.File(str(path), header_only=True)
        _check_header(header, width, height)
        channels = OpenEXR.File(str(path), separate_channels=True).channels()
    except NotAPictureError:
        raise
    except Exception as error:  # noqa: BLE001  # the library raises arbitrary exceptions
        raise NotAPictureError(f"it cannot be decoded: {error}") from None
    samples = [channels[name].pixels for name in ORDER if name in channels]
    if any(each.shape != (height, width) or each.dtype != samples[0].dtype for each in samples):
        raise NotAPictureError("its channels differ in size or depth")
    if samples[0].dtype not in (np.float16, np.float32):
        raise NotAPictureError("its samples are not floating-point numbers")
    return np.stack(samples, axis=2)


def _check_header(file: OpenEXR.File, width: int, height: int) -> None:
    if len(file.parts) != 1:
        raise NotAPictureError("it has more than one part")
    low, high = (np.asarray(corner) for corner in file.header()["dataWindow"])
    found_width, found_height = (int(n) for n in high - low + 1)
    if (found_width, found_height) != (width, height) or low.any():
        raise NotAPictureError(
            f"it has {found_width}×{found_height} pixels, not {width}×{height}", "WRONG_SIZE"
        )
    names = {channel.name for channel in file.header()["channels"]}
    if names not in ({*ORDER[:3]}, {*ORDER}):
        raise NotAPictureError("its channels are not R, G, B and optionally A")


def write(path: Path, pixels: Pixels) -> None:
    """Write the same samples to an EXR with lossless compression."""
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    channels = {
        name: np.ascontiguousarray(pixels[:, :, n]) for n, name in enumerate(ORDER[: pixels.shape[2]])
    }
    OpenEXR.File(header, channels).write(str(path))
