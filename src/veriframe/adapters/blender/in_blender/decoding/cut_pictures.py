"""Runs without Blender in a clean sandbox: takes parts of pictures, and digests them.

Arguments: the folder with the files, the output folder, and a JSON file with the list of parts:
`[{"file": "0000", "kind": "PNG", "shown": [0, 0, 96, 96], "wanted": [0, 0, 64, 64], "size": [192, 108],
"most_channels": 4, "is_published": false}]`. A region is `[left, top, width, height]`, in pixels of the whole
picture, which is of this size. A published EXR may have no attributes but those that pixels need. The samples
of part 0 are written to `0000.f32`: float32, little-endian, (height, width, channels).
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120  # isolated mode adds no folder

import numpy as np
import pixel_digest  # type: ignore[import-not-found]
import png_file  # type: ignore[import-not-found]
from pixel_digest import Plane, Planes
from png_file import NotAPictureError
from reporting import arguments, report, run  # type: ignore[import-not-found]

Corner = tuple[int, int]
"""The left and top of what planes show, in the whole picture."""


@functools.lru_cache(maxsize=1)
def decoded(
    source: Path, kind: str, size: tuple[int, int], most_channels: int, *, is_published: bool
) -> Planes:
    """All channels of a file. The last one is kept for the next part of it. Raises `NotAPictureError`."""
    width, height = size
    if kind == "PNG":
        with source.open("rb") as stream:
            pixels = png_file.read(stream, width, height)
        names = pixel_digest.ORDINARY[pixels.shape[2] - 1]
        return {name: pixels[:, :, place] for place, name in enumerate(names)}
    import exr_file  # type: ignore[import-not-found]  # noqa: PLC0415

    if kind == "EXR":
        planes: Planes = exr_file.read(source, width, height)
    else:
        planes = exr_file.read_layers(source, width, height, most_channels)
    if is_published:
        import exr_header  # type: ignore[import-not-found]  # noqa: PLC0415

        exr_header.require_pixels_only(source, width, height)
    return planes


def _of_proof(planes: Planes, kind: str) -> Planes:
    """The noisy images, or what their denoisers got. Raises `NotAPictureError`."""
    import proof  # type: ignore[import-not-found]  # noqa: PLC0415

    noisy, guides = proof.of_layers(planes)
    if kind not in ("RAW_GUIDES", "GUIDES"):
        return noisy
    if not guides:
        raise NotAPictureError("it has nothing that a denoiser gets")
    return guides


def shown_by(source: Path, cut: dict[str, Any]) -> tuple[Planes, Corner]:
    """The channels of at least the wanted part, and where they begin. Raises `NotAPictureError`."""
    left, top, width, height = cut["shown"]
    kind, corner = cut["kind"], (left, top)
    if kind in ("PROOF", "GUIDES"):
        import proof_tiles  # type: ignore[import-not-found]  # noqa: PLC0415

        planes, corner = proof_tiles.read(source, cut["size"], cut["wanted"])
        return _of_proof(planes, kind), corner
    # Both of a session's proof are parts of one file.
    of_file = "RAW" if kind.startswith("RAW_") else kind
    planes = decoded(source, of_file, (width, height), cut["most_channels"], is_published=cut["is_published"])
    return _of_proof(planes, kind) if of_file == "RAW" else planes, corner


def wanted_of(source: Path, cut: dict[str, Any]) -> Planes:
    """The channels of the wanted part. Raises `NotAPictureError`."""
    planes, corner = shown_by(source, cut)
    left, top, width, height = cut["wanted"]
    x, y = left - corner[0], top - corner[1]
    return {name: plane[y : y + height, x : x + width] for name, plane in planes.items()}


def values(planes: Planes) -> Iterator[Plane]:
    """The samples as float32, canonical; integers are divided by the largest of their kind.

    A few rows at a time: all of them together need as much memory again as the picture.
    """
    ordered = [planes[name] for name in pixel_digest.ordered(list(planes))]
    for top in range(0, len(ordered[0]), pixel_digest.TILE):
        rows = [plane[top : top + pixel_digest.TILE] for plane in ordered]
        samples = np.stack(rows, axis=2, dtype=np.float32)
        if ordered[0].dtype.kind == "u":
            samples /= np.float32(np.iinfo(ordered[0].dtype).max)
        yield pixel_digest.canonical(samples)


def cut_and_report(number: int, cut: dict[str, Any], files: Path, out: Path) -> None:
    """Take one part and report its digest, or why its file was refused."""
    try:
        planes = wanted_of(files / cut["file"], cut)
    except NotAPictureError as error:
        report("refused", number=number, code=error.code, why=str(error)[:300])
        return
    with (out / f"{number:04d}.f32").open("wb") as target:
        for rows in values(planes):
            target.write(rows.tobytes())
    leaves = pixel_digest.leaves(planes, corner=cut["wanted"][:2], size=cut["size"])
    report(
        "cut",
        number=number,
        leaf=pixel_digest.root(leaves).hex(),
        channel_names=pixel_digest.channel_names(list(planes)),
    )


def main() -> None:
    """Take all parts, one after the other."""
    files, out, listing = (Path(word) for word in arguments())
    for number, cut in enumerate(json.loads(listing.read_bytes())):
        cut_and_report(number, cut, files, out)
    report("finished")


if __name__ == "__main__":
    run(main)
