"""Draws two pictures of one part of a frame and their difference as a heat-map, for people."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from veriframe.verifier import comparing
from veriframe.verifier.samples import Samples
from veriframe.verifier.values import Delivered

MOST_WIDTH = 1024
"""A wider picture is scaled down, in pixels."""

LEAST_SIDE = 192
"""A smaller picture is enlarged until its longer side has as many pixels."""

OVERVIEW_WIDTH = 640
"""The longer side of an overview, in pixels."""

NO_NUMBER = (0, 255, 255)
"""The colour of pixels without a number (NaN). No other colour here is near it."""

COLOURS = ((0, 0, 0), (45, 22, 110), (130, 35, 120), (215, 70, 65), (250, 160, 40), (255, 250, 190))
"""The heat-map's colours, from the smallest difference to the largest, each lighter than the one before."""

NAMES = ("black", "blue", "violet", "red", "orange", "pale yellow")

LINEAR_LEAST, DISPLAY_LEAST = 1e-5, 1e-3
"""Relative differences of light and differences of display values below these are black."""

_LEAST = {False: LINEAR_LEAST, True: DISPLAY_LEAST}

Picture = NDArray[np.uint8]
"""(height, width, 3)."""


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Three PNG files of one size. `is_display`: differences are of display values, not of light.

    `is_black`: the difference shows nothing, since no pixel differs by what its colours begin with.
    """

    ours: bytes
    theirs: bytes
    difference: bytes
    is_display: bool
    is_black: bool


def draw(ours: Samples, theirs: Samples, *, is_display: bool, colour: Sequence[int] = (0, 1, 2)) -> HeatMap:
    """Draw our picture, theirs, and how far each pixel differs in the channel with the largest difference.

    `colour` are the channels that are red, green and blue; of a picture with fewer channels, the first is
    grey. Values of a display are shown as they are, light is compressed. Raises `ValueError` for pictures of
    different shapes.
    """
    if ours.shape != theirs.shape or 0 in ours.shape:
        raise ValueError(f"pictures of the shapes {ours.shape} and {theirs.shape} cannot be compared")
    least = _LEAST[is_display]
    apart = comparing.display_difference(ours, theirs) if is_display else comparing.relative(ours, theirs)
    only_one = (np.isnan(ours) != np.isnan(theirs)).any(axis=2)
    return HeatMap(
        _png(_visible(ours, colour, is_display=is_display)),
        _png(_visible(theirs, colour, is_display=is_display)),
        _png(_heat(_blocks(apart), _blocks(only_one), least)),
        is_display=is_display,
        is_black=bool((apart < least).all()) and not only_one.any(),
    )


def legend(kinds: Sequence[bool]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What each colour means, the darkest first: its name, and the difference from which on it is shown.

    One difference for each of `kinds`: True for display values, False for light. From black to a colour, and
    from colour to colour, they blend.
    """
    steps = [np.geomspace(_LEAST[is_display], 1, len(COLOURS)) for is_display in kinds]
    rows = [(NAMES[0], tuple(f"below {_percent(each[0])}" for each in steps))]
    rows += [
        (name, tuple(_percent(each[place]) for each in steps))
        for place, name in enumerate(NAMES[1:], start=1)
    ]
    return tuple(rows)


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 1 else "100 %"


def _visible(samples: Samples, colour: Sequence[int], *, is_display: bool) -> Picture:
    """The picture as a screen shows it."""
    channels = list(colour) if samples.shape[2] > max(colour) else [0, 0, 0]
    shown = np.clip(samples[:, :, channels], 0, None)
    missing = np.isnan(shown).any(axis=2)
    if not is_display:
        with np.errstate(invalid="ignore"):
            shown = np.where(np.isinf(shown), 1, shown / (1 + shown))
        shown = np.where(shown <= 0.0031308, 12.92 * shown, 1.055 * shown ** (1 / 2.4) - 0.055)
    picture: Picture = (np.clip(np.nan_to_num(shown), 0, 1) * 255 + 0.5).astype(np.uint8)
    if (by := _reduction(picture.shape[1])) > 1:
        picture = np.array(Image.fromarray(picture).reduce(by))
    picture[_blocks(missing)] = NO_NUMBER
    return picture


def _heat(apart: NDArray[np.float32], only_one: NDArray[np.bool_], least: float) -> Picture:
    """Colours of differences, by their logarithm from `least` to 1."""
    place = np.log(np.clip(apart, least, 1) / least) / -np.log(least) * (len(COLOURS) - 1)
    anchors = np.array(COLOURS, dtype=np.float32)
    at = np.arange(len(COLOURS))
    channels = [np.interp(place, at, anchors[:, channel]) for channel in range(3)]
    found: Picture = (np.stack(channels, axis=2) + 0.5).astype(np.uint8)
    found[only_one] = NO_NUMBER
    return found


def _blocks(values: NDArray[Any]) -> NDArray[Any]:
    """Scaled down as pictures are, by the largest of each block: one pixel that differs stays visible."""
    by = _reduction(values.shape[1])
    rows = np.maximum.reduceat(values, np.arange(0, values.shape[0], by), axis=0)
    return np.maximum.reduceat(rows, np.arange(0, values.shape[1], by), axis=1)


def _reduction(width: int) -> int:
    return -(-width // MOST_WIDTH)


def _enlarged(picture: Picture) -> Picture:
    by = -(-LEAST_SIDE // max(picture.shape[:2]))
    return picture.repeat(by, axis=0).repeat(by, axis=1) if by > 1 else picture


def _png(picture: Picture) -> bytes:
    content = io.BytesIO()
    Image.fromarray(_enlarged(picture)).save(content, format="PNG")
    return content.getvalue()


def overview(delivered: Delivered) -> bytes:
    """A JPEG of a delivered picture, at most `OVERVIEW_WIDTH` pixels wide."""
    names = [name.rpartition(".")[2] for name in delivered.channels]
    colour = [names.index(name) for name in "RGB" if name in names]
    is_display = bool(np.nanmax(np.abs(delivered.colours), initial=0) <= 1)
    picture = _visible(delivered.picture, colour if len(colour) == 3 else (0, 0, 0), is_display=is_display)
    image = Image.fromarray(picture)
    image.thumbnail((OVERVIEW_WIDTH, OVERVIEW_WIDTH))
    content = io.BytesIO()
    image.save(content, format="JPEG", quality=80)
    return content.getvalue()
