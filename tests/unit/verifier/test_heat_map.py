"""Pictures for people: two of one part, and where they differ."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from veriframe.verifier import heat_map
from veriframe.verifier.heat_map import COLOURS, NO_NUMBER, Picture, draw
from veriframe.verifier.samples import Samples


def shown(content: bytes) -> Picture:
    """The pixels of a PNG."""
    picture = Image.open(io.BytesIO(content))
    assert picture.format == "PNG"
    return np.asarray(picture)


def grey(value: float, height: int = 64, width: int = 64, channels: int = 3) -> Samples:
    """A picture of one value."""
    return np.full((height, width, channels), value, dtype=np.float32)


def colours(picture: Picture) -> set[tuple[int, ...]]:
    """All colours of a picture."""
    return {tuple(int(value) for value in pixel) for pixel in picture.reshape(-1, 3)}


def test_display_values_are_shown_as_they_are() -> None:
    """Red, green and blue, or one channel as grey; alpha is not shown."""
    picture = np.zeros((64, 64, 4), dtype=np.float32)
    picture[:] = (1, 0.5, 0, 0.25)
    assert colours(shown(draw(picture, picture, is_display=True).ours)) == {(255, 128, 0)}
    sorted_names = (3, 2, 1)
    found = draw(picture, picture, is_display=True, colour=sorted_names).theirs
    assert colours(shown(found)) == {(64, 0, 128)}
    two = picture[:, :, :2]
    assert colours(shown(draw(two, two, is_display=True).ours)) == {(255, 255, 255)}


def test_light_is_compressed() -> None:
    """Brighter light is lighter up to infinity, which is white; less than none is black."""
    values = [-1.0, 0.0, 0.1, 1.0, 10.0, 1000.0, np.inf]
    found = [colours(shown(draw(grey(v), grey(v), is_display=False).ours)).pop()[0] for v in values]
    assert found == sorted(found)
    assert found[:2] == [0, 0]
    assert 180 < found[3] < 195  # one half, as a display shows it
    assert found[-1] == 255


def test_the_colours_are_in_order() -> None:
    """Each is lighter than the one before, so that they can be told without their hue, and none is cyan."""
    lightness = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in COLOURS]
    steps = np.diff(lightness)
    assert min(steps) > 15
    assert min(sum(abs(a - b) for a, b in zip(colour, NO_NUMBER, strict=True)) for colour in COLOURS) > 200
    assert len(heat_map.NAMES) == len(COLOURS)


def test_equal_pictures_are_black() -> None:
    """Also where both have no number; what rounding does is black, too."""
    picture = grey(0.5)
    picture[3, 3] = np.nan
    assert colours(shown(draw(picture, picture, is_display=False).difference)) == {(0, 0, 0)}
    rounded = picture * np.float32(1 + 1e-6)
    assert colours(shown(draw(picture, rounded, is_display=False).difference)) == {(0, 0, 0)}


@pytest.mark.parametrize("is_display", [True, False])
def test_larger_differences_are_lighter(is_display: bool) -> None:
    """By their logarithm, up to the last colour."""
    theirs = grey(0.0)
    theirs[0, :5] = np.array([0, 0.002, 0.02, 0.2, 1.0])[:, None]
    found = shown(
        draw(
            grey(0.0) if is_display else theirs + 1,
            theirs if is_display else 2 * theirs + 1,
            is_display=is_display,
        ).difference
    )
    row = [int(found[0, 3 * at + 1].sum()) for at in range(5)]
    assert row == sorted(set(row))
    if is_display:
        assert tuple(found[0, 13]) == COLOURS[-1]


def test_what_has_no_number_is_loud() -> None:
    """In the picture that lacks it, and in the difference if the other has one."""
    theirs = grey(0.5)
    theirs[2, 2, 1] = np.nan
    drawn = draw(grey(0.5), theirs, is_display=False)
    assert NO_NUMBER in colours(shown(drawn.theirs))
    assert NO_NUMBER in colours(shown(drawn.difference))
    assert NO_NUMBER not in colours(shown(drawn.ours))


@pytest.mark.parametrize(
    ("size", "expected"),
    [((64, 64), (192, 192)), ((16, 64), (48, 192)), ((200, 100), (200, 100)), ((1500, 3000), (500, 1000))],
)
def test_sizes(size: tuple[int, int], expected: tuple[int, int]) -> None:
    """Tiles are enlarged, large pictures are scaled down; all three alike."""
    drawn = draw(grey(0.1, *size), grey(0.2, *size), is_display=True)
    sizes = {shown(content).shape[:2] for content in (drawn.ours, drawn.theirs, drawn.difference)}
    assert sizes == {expected}


def test_enlarged_pixels_stay_sharp() -> None:
    """Nothing is between black and white."""
    board = np.indices((64, 64)).sum(axis=0)[:, :, None].repeat(3, axis=2) % 2
    found = shown(draw(board.astype(np.float32), board.astype(np.float32), is_display=True).ours)
    assert colours(found) == {(0, 0, 0), (255, 255, 255)}


def test_one_pixel_of_a_large_picture_stays_visible() -> None:
    """Where it is scaled down, the largest difference counts, and so does a lack of a number."""
    ours, theirs = grey(0.5, 100, 4001), grey(0.5, 100, 4001)
    theirs[50, 4000] = 0.0
    theirs[10, 10] = np.nan
    drawn = draw(ours, theirs, is_display=True)
    difference = shown(drawn.difference)
    assert difference.shape == shown(drawn.theirs).shape == (25, 1001, 3)
    assert difference[12, 1000].sum() > 400
    assert tuple(difference[2, 2]) == tuple(shown(drawn.theirs)[2, 2]) == NO_NUMBER


def test_one_legend_for_both_kinds() -> None:
    """A row for each colour, with the difference of light and that of display values."""
    rows = dict(heat_map.legend([False, True]))
    assert tuple(rows) == heat_map.NAMES
    assert rows["black"] == ("below 0.001 %", "below 0.1 %")
    assert rows[heat_map.NAMES[-1]] == ("100 %", "100 %")
    assert [len(values) for _, values in heat_map.legend([True])] == [1] * len(heat_map.NAMES)


def test_what_shows_no_difference_is_known() -> None:
    """By what the colours begin with; a lack of a number is one."""
    assert draw(grey(0.5), grey(0.5), is_display=True).is_black
    assert draw(grey(0.5), grey(0.5001), is_display=True).is_black
    assert not draw(grey(0.5), grey(0.5001), is_display=False).is_black
    assert not draw(grey(0.5), grey(np.nan), is_display=True).is_black


def test_pictures_of_different_shapes() -> None:
    """Are a mistake of the caller."""
    with pytest.raises(ValueError, match="shapes"):
        draw(grey(0), grey(0, channels=4), is_display=False)
