"""Runs without Blender in a clean sandbox: merges the tiles of a split still, bit for bit.

Arguments: the folder with the tiles, the output folder, and a JSON file:
`{"width": 64, "height": 36, "picture": "Combined", "tiles": [...]}`. The picture is the pass that a tile's
noisy image is in; a tile is `{"file": "0000.exr", "shown": [0, 0, 9, 9], "kept": [0, 0, 8, 8]}`. A region is
`[left, top, width, height]`; the file shows one, and the part of it that counts is kept.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120  # isolated mode adds no folder

import exr_file  # type: ignore[import-not-found]
import numpy as np
from pixel_digest import Planes  # type: ignore[import-not-found]
from reporting import arguments, report, run  # type: ignore[import-not-found]

PASSES = {"Combined": "RGBA", "Denoising Albedo": "RGB", "Denoising Normal": "XYZ"}
"""What is merged, by its names in the whole: the noisy image, and what a denoiser gets besides."""


def merged(asked: dict[str, Any], folder: Path) -> Planes:
    """The whole picture's channels, such as `Merged.Combined.R`. Raises `ValueError`, `NotAPictureError`."""
    size = asked["height"], asked["width"]
    names = [f"{name}.{channel}" for name, channels in PASSES.items() for channel in channels]
    whole = {name: np.zeros(size, np.float32) for name in names}
    covered = np.zeros(size, np.uint8)
    for number, tile in enumerate(asked["tiles"], 1):
        left, top, width, height = tile["shown"]
        planes = exr_file.read_layers(folder / tile["file"], width, height)
        kept_left, kept_top, kept_width, kept_height = tile["kept"]
        target = np.s_[kept_top : kept_top + kept_height, kept_left : kept_left + kept_width]
        y, x = kept_top - top, kept_left - left
        for name in names:
            source = name.replace("Combined", asked["picture"])
            whole[name][target] = plane_of(planes, source, number)[y : y + kept_height, x : x + kept_width]
        covered[target] += 1
    if (covered != 1).any():
        raise ValueError("the tiles do not cover the picture once")
    return {f"Merged.{name}": plane for name, plane in whole.items()}


def plane_of(planes: Planes, name: str, number: int) -> Any:  # noqa: ANN401 - an array
    """The channel of the only layer that has it. Raises `ValueError`."""
    found = [plane for full, plane in planes.items() if full.endswith(f".{name}")]
    if len(found) != 1 or found[0].dtype != np.float32:
        raise ValueError(f"tile {number} has no single pass {name}")
    if not np.isfinite(found[0]).all():
        raise ValueError(f"tile {number} holds samples that are not finite numbers in {name}")
    return found[0]


def main() -> None:
    """Merge the tiles."""
    folder, out, listing = (Path(word) for word in arguments())
    exr_file.write(out / "merged.exr", merged(json.loads(listing.read_bytes()), folder))
    report("finished")


if __name__ == "__main__":
    run(main)
