"""Runs without Blender in a clean sandbox: draws thumbnails into one JPEG.

Arguments: the folder with the thumbnails, the output folder, and a JSON file with the thumbnails' names.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120  # isolated mode adds no folder

from PIL import Image
from reporting import arguments, report, run  # type: ignore[import-not-found]

import thumbnails  # type: ignore[import-not-found]

GAP = 4
"""Pixels between thumbnails and at the edges."""

MOST_SIDE = 4096
"""The most pixels of a side; of very many thumbnails, each is made smaller."""

GROUND = (24, 24, 24)


def draw(files: Sequence[Path]) -> Image.Image:
    """The thumbnails by rows, in their order, in cells of the largest one's size."""
    pictures = [thumbnails.opened(file) for file in files]
    width, height = (max(picture.size[n] for picture in pictures) for n in (0, 1))
    # About as wide as high.
    columns = max(1, min(len(files), round(math.sqrt(len(files) * height / width))))
    rows = -(-len(files) // columns)
    cell = [min(side, (MOST_SIDE - GAP) // count - GAP) for side, count in ((width, columns), (height, rows))]
    shrink = min(cell[0] / width, cell[1] / height)
    across, down = (max(1, int(side * shrink)) for side in (width, height))
    sheet = Image.new("RGB", (GAP + columns * (across + GAP), GAP + rows * (down + GAP)), GROUND)
    for place, picture in enumerate(pictures):
        picture.thumbnail((across, down), Image.Resampling.LANCZOS)
        left, top = (place % columns) * (across + GAP), (place // columns) * (down + GAP)
        inside = (across - picture.width) // 2, (down - picture.height) // 2
        sheet.paste(picture, (GAP + left + inside[0], GAP + top + inside[1]))
    return sheet


def main() -> None:
    """Draw the sheet."""
    folder, out, listing = (Path(word) for word in arguments())
    sheet = draw([folder / name for name in json.loads(listing.read_bytes())])
    thumbnails.save(sheet, out / "sheet.jpg")
    report("finished")


if __name__ == "__main__":
    run(main)
