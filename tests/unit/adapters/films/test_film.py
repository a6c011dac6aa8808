"""Films: H.264 in MP4, at the frame rate, in the right colours, with even sides."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import OpenEXR
import pytest
from PIL import Image

from veriframe.adapters.films.film import write_film
from veriframe.errors import Code, SettingsError, ValidationFailed


def _frames(folder: Path, count: int, size: tuple[int, int] = (65, 33)) -> list[Path]:
    paths = [folder / f"frame_{number:04d}.png" for number in range(1, count + 1)]
    for number, path in enumerate(paths):
        Image.new("RGB", size, (20 * number, 200, 40)).save(path)
    return paths


def _read(film: Path) -> tuple[list[tuple[int, ...]], Fraction, str, tuple[int, int]]:
    """The colour in the middle of each frame, the rate, the pixel format and the size."""
    with av.open(str(film)) as opened:
        stream = opened.streams.video[0]
        rate, form = stream.average_rate, stream.pix_fmt
        images = [frame.to_image() for frame in opened.decode(video=0)]  # type: ignore[no-untyped-call]
    assert rate is not None
    assert form is not None
    middle = [image.getpixel((image.width // 2, image.height // 2)) for image in images]
    return middle, rate, form, images[0].size


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(24.0, Fraction(24)), (29.97, Fraction(2997, 100)), (30000 / 1001, Fraction(30000, 1001))],
)
def test_a_film_has_its_frames_in_order(tmp_path: Path, rate: float, expected: Fraction) -> None:
    """All of them, at their rate; odd sides lose a pixel; the caller hears of each."""
    told: list[int] = []
    size = write_film(_frames(tmp_path, 7), tmp_path / "film.mp4", rate, told.append)
    colours, found, form, shown = _read(tmp_path / "film.mp4")
    assert (size, shown, form, found) == ((64, 32), (64, 32), "yuv420p", expected)
    assert told == [1, 2, 3, 4, 5, 6, 7]
    for number, colour in enumerate(colours):
        assert np.abs(np.subtract(colour, (20 * number, 200, 40))).max() <= 6
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".mp4", *[".png"] * 7]


def test_scene_linear_frames_are_shown_by_the_curve_of_srgb(tmp_path: Path) -> None:
    """A linear 0.2 is 124 of 255."""
    path = tmp_path / "frame_0001.exr"
    channels = {name: np.full((32, 64), 0.2, np.float16) for name in "RGB"}
    OpenEXR.File({"type": OpenEXR.scanlineimage}, channels).write(str(path))
    write_film([path], tmp_path / "film.mp4", 24.0, lambda _: None)
    assert np.abs(np.subtract(_read(tmp_path / "film.mp4")[0][0], 124)).max() <= 3


@pytest.mark.parametrize(("content", "code"), [("size", Code.WRONG_SIZE), ("text", Code.NOT_IMAGE)])
def test_frames_that_do_not_fit_make_no_film(tmp_path: Path, content: str, code: Code) -> None:
    """Nothing is left, and an older film stays."""
    frames = _frames(tmp_path, 3)
    if content == "size":
        Image.new("RGB", (16, 16)).save(frames[1])
    else:
        frames[1].write_bytes(b"no picture")
    (tmp_path / "film.mp4").write_bytes(b"older")
    with pytest.raises(ValidationFailed) as caught:
        write_film(frames, tmp_path / "film.mp4", 24.0, lambda _: None)
    assert caught.value.code is code
    assert (tmp_path / "film.mp4").read_bytes() == b"older"
    assert not (tmp_path / ".film.mp4.new").exists()


def test_a_target_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """With the reason."""
    with pytest.raises(SettingsError):
        write_film(_frames(tmp_path, 1), tmp_path / "absent" / "film.mp4", 24.0, lambda _: None)
