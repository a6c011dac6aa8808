"""Thumbnails and contact sheets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests import decoding

thumbnails, contact_sheet = map(decoding.script, ("thumbnails", "contact_sheet"))


@pytest.mark.parametrize(
    ("size", "small"), [((1080, 1920), (256, 144)), ((36, 64), (64, 36)), ((1, 65_000), (256, 1))]
)
def test_it_has_at_most_256_pixels_on_a_side(
    tmp_path: Path, size: tuple[int, int], small: tuple[int, int]
) -> None:
    """A small picture is not enlarged. Nothing but the picture is in the file."""
    thumbnails.write(tmp_path / "a.jpg", np.zeros((*size, 3), np.uint8))
    with Image.open(tmp_path / "a.jpg") as picture:
        assert (picture.format, picture.size) == ("JPEG", small)
        assert set(picture.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", ["u1", "u2"])
def test_pixels_are_averaged(channels: int, kind: str) -> None:
    """Every other column is white; transparent pixels show the ground."""
    pixels = np.zeros((512, 1024, channels), kind)
    pixels[:, ::2] = np.iinfo(kind).max
    if channels in (2, 4):
        pixels[..., -1] = np.iinfo(kind).max
        pixels[:256, :, -1] = 0
    shown = thumbnails.shown(pixels)
    assert shown.shape == (128, 256, 3)
    assert shown[64:] == pytest.approx(0.5)
    assert shown[:64] == pytest.approx(24 / 255 if channels in (2, 4) else 0.5)


def test_bright_light_is_compressed_and_what_is_no_number_is_black() -> None:
    """An EXR's values have no upper limit; one infinite pixel must not become a white tile."""
    shown = [thumbnails.shown(np.full((4, 4, 3), value, np.float32)).max() for value in (0.1, 1.0, 4.0, 1e30)]
    assert shown == sorted(shown)
    assert 0.3 < shown[0] < shown[1] < 0.9 < shown[2] < shown[3] == 1
    pixels = np.full((4, 4, 3), np.nan, np.float32)
    pixels[0] = -np.inf
    assert not thumbnails.shown(pixels).any()


def sheet_of(folder: Path, sizes: list[tuple[int, int]]) -> Image.Image:
    """A sheet of grey pictures, each a little lighter than the one before."""
    for place, (width, height) in enumerate(sizes):
        Image.new("RGB", (width, height), (60 + 10 * place,) * 3).save(
            folder / f"{place:02d}.jpg", quality=95
        )
    sheet = contact_sheet.draw(sorted(folder.glob("*.jpg")))
    assert isinstance(sheet, Image.Image)
    return sheet


def test_a_sheet_holds_all_pictures_in_order(tmp_path: Path) -> None:
    """By rows; smaller ones are centred."""
    sheet = sheet_of(tmp_path, [(64, 36)] * 6 + [(20, 36)])
    columns = (sheet.width - 4) // 68
    for place in range(7):
        left, top = 4 + place % columns * 68, 4 + place // columns * 40
        pixel = sheet.getpixel((left + 32, top + 18))
        assert isinstance(pixel, tuple)
        assert pixel[0] == pytest.approx(60 + 10 * place, abs=3)
    assert sheet.height == 4 + 40 * -(-7 // columns)


def test_a_sheet_of_very_many_pictures_stays_small(tmp_path: Path) -> None:
    """Each is made smaller."""
    file = tmp_path / "a.jpg"
    Image.new("RGB", (256, 144)).save(file)
    sheet = contact_sheet.draw([file] * 1000)
    assert max(sheet.size) <= 4096


def test_only_thumbnails_are_drawn(tmp_path: Path) -> None:
    """Neither other formats nor large pictures are decoded."""
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    Image.new("RGB", (257, 8)).save(tmp_path / "a.jpg")
    with pytest.raises(OSError, match="cannot identify"):
        contact_sheet.draw([tmp_path / "a.png"])
    with pytest.raises(ValueError, match="no thumbnail"):
        contact_sheet.draw([tmp_path / "a.jpg"])
