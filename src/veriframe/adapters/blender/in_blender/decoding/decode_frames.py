"""Runs without Blender in a clean sandbox: decodes rendered frames and writes them again without metadata.

Arguments: the folder with the frames, the output folder, and a JSON file with the list of frames:
`[{"number": 1, "format": "PNG", "file": "frame_0001.png", "width": 64, "height": 36, "proof": "",
"tiles": "", "thumbnail": "", "asked": {"depth": 0, "passes": [], "is_tile": false, "most_channels": 4}}]`.
`proof`, `tiles` and `thumbnail` name files to be written, and the proof also the one that is read. `asked` is
what the picture must have: a depth in bits, 0 for any, and passes; at most so many channels.
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
import ordered  # type: ignore[import-not-found]
import pixel_digest  # type: ignore[import-not-found]
import png_file  # type: ignore[import-not-found]
from pixel_digest import Planes
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


def decode(frame: dict[str, Any], source: Path, target: Path) -> tuple[Planes, Pixels]:
    """Decode one frame and write its clean file. Returns its channels, and the picture that people look at.

    Raises `NotAPictureError`.
    """
    width, height = frame["width"], frame["height"]
    if frame["format"] == "PNG":
        with source.open("rb") as stream:
            pixels = png_file.read(stream, width, height)
        ordered.check(frame["asked"], {}, [pixels])
        with target.open("xb") as stream:
            png_file.write(stream, pixels)
        return {name: pixels[:, :, n] for n, name in enumerate(CHANNELS[pixels.shape[2]])}, pixels
    import exr_file  # type: ignore[import-not-found]  # noqa: PLC0415

    if frame["format"] == "OPEN_EXR_MULTILAYER":
        planes = exr_file.read_layers(source, width, height, frame["asked"]["most_channels"])
        picture = looked_at(planes)
    else:
        planes = exr_file.read(source, width, height)
        picture = list(planes.values())
    ordered.check(frame["asked"], planes, picture)
    exr_file.write(target, planes)
    return planes, np.stack(picture, axis=2)


def looked_at(planes: Planes) -> list[pixel_digest.Plane]:
    """The combined pass of the compositor or else of the first layer. Raises `NotAPictureError`."""
    layers = sorted({name.rsplit(".", 2)[0] for name in planes}, key=lambda layer: layer != "Composite")
    for layer in layers:
        found = [planes.get(f"{layer}.Combined.{channel}") for channel in "RGBA"]
        if all(plane is not None for plane in found[:3]):
            return [plane for plane in found if plane is not None]
    raise NotAPictureError("it has no combined pass")


def decode_and_report(frame: dict[str, Any], frames: Path, out: Path) -> None:
    """Decode one frame and report its size, depth and digest, or why it was refused."""
    number = frame["number"]
    try:
        planes, pixels = decode(frame, frames / frame["file"], out / frame["file"])
        proof_root = write_proof(frame, frames, out)
    except NotAPictureError as error:
        report("refused", number=number, code=error.code, why=str(error)[:300])
        return
    if frame["thumbnail"]:
        import thumbnails  # type: ignore[import-not-found]  # noqa: PLC0415

        thumbnails.write(out / frame["thumbnail"], pixels)
    report(
        "decoded",
        number=number,
        width=pixels.shape[1],
        height=pixels.shape[0],
        channels=len(planes),
        bit_depth=8 * max(plane.dtype.itemsize for plane in planes.values()),
        pixel_digest=pixel_digest.digest(planes),
        channel_names=pixel_digest.channel_names(list(planes)),
        proof_root=proof_root,
        black=bool(is_black(pixels)),
        finite=bool(np.isfinite(pixels).all()),
    )


def write_proof(frame: dict[str, Any], frames: Path, out: Path) -> str:
    """Write the frame's proof, if it has one. Returns the root over its tiles. Raises `NotAPictureError`."""
    if not frame["proof"]:
        return ""
    import proof  # type: ignore[import-not-found]  # noqa: PLC0415

    name, tiles = frame["proof"], out / frame["tiles"]
    try:
        return str(proof.write(frames / name, frame["width"], frame["height"], out / name, tiles))
    except NotAPictureError as error:
        raise NotAPictureError(f"of its proof, {error}", error.code) from None


def main() -> None:
    """Decode all frames, one after the other."""
    frames, out, listing = (Path(word) for word in arguments())
    for frame in json.loads(listing.read_bytes()):
        decode_and_report(frame, frames, out)
    report("finished")


if __name__ == "__main__":
    run(main)
