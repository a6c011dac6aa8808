"""Renders every example scene with VeriFrame and makes the pictures of the README and of this folder.

`python examples/thumbnails.py` writes docs/pictures/still.png, the frame as the worker validates it, and
docs/pictures/examples.png, a sheet of the others. Each scene is made again and rendered in the same sandbox
as a job.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

import make_all

PICTURES = make_all.HERE.parent / "docs" / "pictures"
COMMAND = Path(sys.executable).with_name("veriframe")
LIMIT_SECONDS = 600

HERO = "still"
CAPTIONS = {
    "textures": "textures.py · packed images",
    "volume": "volume.py · a volume",
    "hair": "hair.py · hair curves",
    "motion_blur": "motion_blur.py · motion blur",
    "animation": "animation.py · frame 1 of 24",
    "eevee": "eevee.py · EEVEE",
}
"""The scenes on the sheet, in order, and their captions."""

COLUMNS, CELL, GAP, LINE = 3, (320, 180), 12, 24
"""The sheet's layout: pictures per row; their size, spacing and caption height in pixels."""


def render(scene: Path, folder: Path) -> Path:
    """Frame 1 of a scene as a PNG in `folder`. Exits with `veriframe scene render`'s output if it fails."""
    started = time.monotonic()
    try:
        done = subprocess.run(
            [str(COMMAND), "scene", "render", str(scene), "-o", str(folder)],
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        sys.exit(f"{COMMAND} is not there. Run `make setup`.")
    except subprocess.TimeoutExpired:
        sys.exit(f"Rendering {scene.name} took longer than {LIMIT_SECONDS} s.")
    if done.returncode:
        sys.exit(f"{scene.name} was not rendered:\n{done.stderr[-2000:]}")
    (picture,) = folder.glob("*.png")
    print(f"{scene.name} rendered in {time.monotonic() - started:.1f} s", flush=True)
    return picture


def sheet(pictures: Sequence[tuple[str, Path]]) -> Image.Image:
    """The pictures in rows, each with its caption below."""
    rows = -(-len(pictures) // COLUMNS)
    wide, high = CELL[0] + GAP, CELL[1] + LINE + GAP
    made = Image.new("RGB", (COLUMNS * wide + GAP, rows * high + GAP), "#ffffff")
    pen, font = ImageDraw.Draw(made), ImageFont.load_default(size=14)
    for place, (caption, path) in enumerate(pictures):
        x, y = GAP + place % COLUMNS * wide, GAP + place // COLUMNS * high
        with Image.open(path) as picture:
            made.paste(picture.convert("RGB").resize(CELL, Image.Resampling.LANCZOS), (x, y))
        pen.text((x, y + CELL[1] + 5), caption, fill="#4a4a52", font=font)
    return made


def main() -> None:
    """Make and render all scenes, and replace the pictures only if all succeed."""
    with tempfile.TemporaryDirectory(prefix="veriframe-pictures-") as temporary:
        folder = Path(temporary)
        made = {name: render(make_all.make(name, folder), folder / name) for name in (HERO, *CAPTIONS)}
        PICTURES.mkdir(parents=True, exist_ok=True)
        with Image.open(made[HERO]) as hero:
            hero.save(PICTURES / "still.png", optimize=True)
        others = [(caption, made[name]) for name, caption in CAPTIONS.items()]
        sheet(others).save(PICTURES / "examples.png", optimize=True)
    for picture in ("still.png", "examples.png"):
        print(f"{PICTURES / picture}  {(PICTURES / picture).stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
