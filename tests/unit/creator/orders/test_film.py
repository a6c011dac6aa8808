"""Which frames make a film, and what becomes of gaps."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from tests.unit.creator.orders.studio import picture

from veriframe.creator.orders.film import plan_film
from veriframe.creator.orders.kept_frames import KeptFrames, existing_frames
from veriframe.errors import SettingsError
from veriframe.model.rendering.frames import ImageFormat


def _folder(tmp_path: Path, *numbers: int) -> KeptFrames:
    folder = tmp_path / "frames"
    folder.mkdir(exist_ok=True)
    for number in numbers:
        (folder / f"frame_{number:04d}.png").write_bytes(picture(number))
    return KeptFrames(folder)


def _numbers(kept: KeptFrames, frames: tuple[int, ...] | None = None, *, hold: bool = True) -> list[int]:
    plan = plan_film(kept, frames, hold=hold, unchecked=False, rate=None)
    return [int(path.stem[-4:]) for path in plan.files]


def test_missing_frames_are_held_or_left_out(tmp_path: Path) -> None:
    """Held, the film keeps its length; the first one there stands for those before it."""
    kept = _folder(tmp_path, 2, 3, 6)
    asked = (1, 2, 3, 4, 5, 6, 7)
    assert _numbers(kept, asked) == [2, 2, 3, 3, 3, 6, 6]
    assert _numbers(kept, asked, hold=False) == [2, 3, 6]
    plan = plan_film(kept, asked, hold=True, unchecked=False, rate=None)
    assert (plan.missing, plan.is_rate_known) == ((1, 4, 5, 7), False)


def test_a_folder_alone_tells_its_gaps(tmp_path: Path) -> None:
    """Between its first and last frame, by the smallest step."""
    assert _numbers(_folder(tmp_path, 1, 3, 7, 9)) == [1, 3, 3, 7, 9]


def test_the_rate_is_the_scenes_unless_another_is_given(tmp_path: Path) -> None:
    """It is kept beside the frames."""
    kept = _folder(tmp_path, 1)
    kept.frames_per_second = 29.97
    kept.save()
    read = KeptFrames(kept.folder)
    for rate, expected in ((None, 29.97), (12.0, 12.0)):
        plan = plan_film(read, None, hold=True, unchecked=False, rate=rate)
        assert (plan.frames_per_second, plan.is_rate_known) == (expected, True)


def test_unchecked_frames_are_not_decoded(tmp_path: Path) -> None:
    """fault_177: what was fetched without a check is no frame of a film, unless that is asked for."""
    kept = _folder(tmp_path, 1, 2)
    kept.note("frame_0001.png", "")
    with pytest.raises(SettingsError, match="--no-check"):
        plan_film(kept, None, hold=True, unchecked=False, rate=None)
    assert len(plan_film(kept, None, hold=True, unchecked=True, rate=None).files) == 2


def test_a_copied_folder_has_no_checked_frames(tmp_path: Path) -> None:
    """fault_219: other stamps than in the record; frames of the artist's own are none of ours."""
    kept = _folder(tmp_path, 1, 2, 3)
    for name, digest in (("frame_0001.png", ""), ("frame_0002.png", "ab" * 32)):
        kept.note(name, digest)
    kept.save()
    copied = tmp_path / "copied"
    copied.mkdir()
    for path in kept.folder.iterdir():
        (copied / path.name).write_bytes(path.read_bytes())
    with pytest.raises(SettingsError, match="2 frames"):
        plan_film(KeptFrames(copied), None, hold=True, unchecked=False, rate=None)


@pytest.mark.parametrize("name", ["", "frame_1.png", "frame_0001.jpg", "frame_0001.png.new"])
def test_a_folder_without_frames_makes_no_film(tmp_path: Path, name: str) -> None:
    """Names that are none of ours do not count."""
    kept = _folder(tmp_path)
    if name:
        (kept.folder / name).write_bytes(b"something")
    with pytest.raises(SettingsError):
        plan_film(kept, None, hold=True, unchecked=False, rate=None)


@pytest.mark.parametrize("content", [b"", b"hi", picture(2)[:-3], b"\x89PNG"])
def test_a_file_that_is_no_whole_picture_is_no_frame(tmp_path: Path, content: bytes) -> None:
    """fault_225: a frame that was cut off would never be ordered."""
    kept = _folder(tmp_path, 1, 2)
    (kept.folder / "frame_0002.png").write_bytes(content)
    assert existing_frames(kept.folder, (1, 2), ImageFormat.PNG) == {1}


def test_existing_frames_are_known_by_their_names(tmp_path: Path) -> None:
    """In the format of the order."""
    kept = _folder(tmp_path, 2, 3)
    assert existing_frames(kept.folder, (1, 2, 3, 4), ImageFormat.PNG) == {2, 3}
    assert existing_frames(kept.folder, (1, 2), ImageFormat.EXR) == frozenset()
    with pytest.raises(SettingsError):
        existing_frames(tmp_path / "absent", (1,), ImageFormat.PNG)


def test_a_damaged_record_costs_nothing_but_time(tmp_path: Path) -> None:
    """The frames are decoded again."""
    kept = _folder(tmp_path, 1)
    kept.note("frame_0001.png", "ab" * 32)
    kept.save()
    assert KeptFrames(kept.folder).digest("frame_0001.png") == "ab" * 32
    for content in ("", "[]", "{}", '{"frames_per_second": 1, "frames": {"frame_0001.png": 3}}'):
        (kept.folder / ".veriframe-frames.json").write_text(content)
        assert KeptFrames(kept.folder).digest("frame_0001.png") is None


def test_existing_frames_have_the_size_of_the_order(tmp_path: Path) -> None:
    """fault_302: of EXR by the display window, since Blender crops no data window here."""
    window = b"displayWindow\0box2i\0" + struct.pack("<i4i", 16, 0, 0, 15, 7)
    (tmp_path / "frame_0001.exr").write_bytes(b"v/1\x01\x02\0\0\0" + window + b"\0")
    (tmp_path / "frame_0002.exr").write_bytes(b"v/1\x01\x02\0\0\0")
    assert existing_frames(tmp_path, (1, 2), ImageFormat.EXR, (16, 8)) == {1}
    assert existing_frames(tmp_path, (1, 2), ImageFormat.EXR, (8, 16)) == frozenset()
