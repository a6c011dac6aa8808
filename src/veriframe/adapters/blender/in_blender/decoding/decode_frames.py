"""Runs without Blender in a clean sandbox: decodes rendered frames and writes them again without metadata.

Arguments: the folder with the frames, the output folder, and a JSON file with the list of frames:
`[{"number": 1, "file": "frame_0001.png", "width": 64, "height": 36}]`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120  # isolated mode adds no folder

import numpy as np
import pixel_digest  # type: ignore[import-not-found]
import png_file  # type: ignore[import-not-found]
from png_file import NotAPictureError, Pixels
from reporting import arguments, report, run  # type: ignore[import-not-found]

CHANNELS = {1: "Y", 2: "YA", 3: "RGB", 4: "RGBA"}
ALPHA = (2, 4)
"""Channel counts with alpha as the last channel."""

DITHER = 2 / 255
"""The most that dithering, at its highest setting, adds to black before quantisation."""


def is_black(pixels: Pixels) -> bool:
    """Whether the frame shows nothing: no colour above Blender's dithering, or alpha zero everywhere."""
    noise = 0.0 if pixels.dtype.kind == "f" else DITHER * np.iinfo(pixels.dtype).max
    if pixels.shape[2] not in ALPHA:
        return not (pixels > noise).any()
    return not pixels[:, :, -1].any() or not (pixels[:, :, :-1] > noise).any()


def decode(source: Path, target: Path, width: int, height: int) -> Pixels:
    """Decode one frame, write its clean file, and return its pixels. Raises `NotAPictureError`."""
    if source.suffix == ".png":
        with source.open("rb") as stream:
            pixels = png_file.read(stream, width, height)
        with target.open("xb") as stream:
            png_file.write(stream, pixels)
        return pixels
    import exr_file  # type: ignore[import-not-found]  # noqa: PLC0415

    pixels = exr_file.read(source, width, height)
    exr_file.write(target, pixels)
    return pixels


def decode_and_report(frame: dict[str, Any], source: Path, target: Path) -> None:
    """Decode one frame and report its size, depth and digest, or why it was refused."""
    try:
        pixels = decode(source, target, frame["width"], frame["height"])
    except NotAPictureError as error:
        report("refused", number=frame["number"], code=error.code, why=str(error)[:300])
        return
    planes = {name: pixels[:, :, n] for n, name in enumerate(CHANNELS[pixels.shape[2]])}
    report(
        "decoded",
        number=frame["number"],
        width=pixels.shape[1],
        height=pixels.shape[0],
        channels=pixels.shape[2],
        bit_depth=8 * pixels.dtype.itemsize,
        pixel_digest=pixel_digest.digest(planes),
        channel_names=pixel_digest.channel_names(list(planes)),
        proof_root="",
        black=bool(is_black(pixels)),
        finite=bool(np.isfinite(pixels).all()),
    )


def main() -> None:
    """Decode all frames, one after the other."""
    frames, out, listing = (Path(word) for word in arguments())
    for frame in json.loads(listing.read_bytes()):
        decode_and_report(frame, frames / frame["file"], out / frame["file"])
    report("finished")


if __name__ == "__main__":
    run(main)
