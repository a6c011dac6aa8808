"""The demo's picture of a cheat: where a tile lies, what it should be, what came, and how far apart.

The pictures stand beside each other, each under a caption, so that an artist needs no other text.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from veriframe.model.rendering.frames import Region
from veriframe.verifier import heat_map
from veriframe.verifier.values import TilePicture

HEIGHT, GAP, CAPTION, LETTERS = 288, 16, 32, 17
"""In pixels: of the pictures, between them, of the line above them, and of its letters."""

PAPER, INK = "white", "#1c1d1f"
RIM, HALO, RIM_PIXELS = "#ff2a1f", "white", 3
"""The rectangle around the tile: a red line in a white one, which is seen on any picture."""

CAPTIONS = (
    "rendered here, before denoising",
    "the worker’s, before denoising",
    "difference: brighter is more",
)

SORTED_CHANNELS = (3, 2, 1)
"""Red, green and blue of a noisy image, whose channels are sorted: A, B, G, R."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture and the line above it."""

    caption: str
    picture: Image.Image


def write_side_by_side(shown: TilePicture, frame: bytes, size: tuple[int, int], target: Path) -> None:
    """Write the picture of a noisy tile that differs.

    `frame` is a small picture of the whole frame, as delivered; `size` is the frame's own, in pixels.
    """
    drawn = heat_map.draw(shown.ours, shown.theirs, is_display=False, colour=SORTED_CHANNELS)
    tiles = (_opened(one) for one in (drawn.ours, drawn.theirs, drawn.difference))
    where = f"frame {shown.frame}, as delivered; red: tile {shown.part.tile}"
    panels = [Panel(where, _marked(_opened(frame), shown.part.region, size))]
    # Each pixel of a tile stays a square.
    panels += [
        Panel(caption, _of_height(tile, Image.Resampling.NEAREST))
        for caption, tile in zip(CAPTIONS, tiles, strict=True)
    ]
    _sheet(panels).save(target)


def _opened(content: bytes) -> Image.Image:
    return Image.open(BytesIO(content)).convert("RGB")


def _of_height(picture: Image.Image, way: Image.Resampling) -> Image.Image:
    width = max(1, round(picture.width * HEIGHT / picture.height))
    return picture.resize((width, HEIGHT), way)


def _marked(frame: Image.Image, region: Region, size: tuple[int, int]) -> Image.Image:
    """The frame with a rectangle around this region."""
    picture = _of_height(frame, Image.Resampling.LANCZOS)
    across, down = picture.width / size[0], picture.height / size[1]
    left, top = region.left * across, region.top * down
    right, bottom = left + region.width * across, top + region.height * down
    draw = ImageDraw.Draw(picture)
    for colour, beyond, width in ((HALO, RIM_PIXELS + 1, RIM_PIXELS + 2), (RIM, RIM_PIXELS, RIM_PIXELS)):
        box = (left - beyond, top - beyond, right + beyond, bottom + beyond)
        draw.rectangle(_within(box, picture.size), outline=colour, width=width)
    return picture


def _within(box: tuple[float, float, float, float], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The box in whole pixels, all of it in the picture."""
    left, top, right, bottom = (round(side) for side in box)
    return max(0, left), max(0, top), min(size[0] - 1, right), min(size[1] - 1, bottom)


def _sheet(panels: list[Panel]) -> Image.Image:
    """The panels in a row, each with its caption above it."""
    font = ImageFont.load_default(LETTERS)
    widths = [max(one.picture.width, round(font.getlength(one.caption))) for one in panels]
    width = sum(widths) + GAP * (len(panels) + 1)
    sheet = Image.new("RGB", (width, CAPTION + HEIGHT + GAP), PAPER)
    draw, left = ImageDraw.Draw(sheet), GAP
    for panel, wide in zip(panels, widths, strict=True):
        draw.text((left, CAPTION / 2), panel.caption, fill=INK, font=font, anchor="lm")
        sheet.paste(panel.picture, (left, CAPTION))
        left += wide + GAP
    return sheet
