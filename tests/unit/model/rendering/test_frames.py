"""Parsing lists of frames."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriframe.errors import Code, JobRejected
from veriframe.model.rendering.frames import LAST_FRAME, MAX_FRAMES, ImageFormat, RenderLimits, parse_frames

PARTS = st.tuples(st.integers(0, LAST_FRAME), st.integers(0, 50), st.integers(1, 9))


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("1", (1,)),
        ("1-3", (1, 2, 3)),
        ("1-10x4", (1, 5, 9)),
        ("7x3", (7,)),
        ("5,1-3, 2 ,9", (5, 1, 2, 3, 9)),
        ("0,1048574", (0, LAST_FRAME)),
        ("007", (7,)),
    ],
)
def test_a_list_is_parsed(text: str, frames: tuple[int, ...]) -> None:
    """Single frames, ranges and steps, in the given order, each frame once."""
    assert frames == parse_frames(text)


NO_LISTS = (
    *("", " ", ",", "1,", "-1", "1-", "3-1", "1-2-3", "1x0", "1x", "x2", "1.5", "1e3", "one", "１", "²"),
    *("1 2", "1\n2", "1048575", "0-1048575", "99999999", "1-10000,20000", "0-1048574", "1" * 100_000),
)


@pytest.mark.parametrize("text", NO_LISTS)
def test_anything_else_is_refused(text: str) -> None:
    """fault_34: nothing is clamped or guessed; the sentence shows the right form and is short."""
    with pytest.raises(JobRejected) as raised:
        parse_frames(text)
    assert (raised.value.code, len(str(raised.value)) < 300) == (Code.FRAME_RANGE, True)


@given(st.lists(PARTS, min_size=1, max_size=8))
def test_ranges_are_those_of_python(parts: list[tuple[int, int, int]]) -> None:
    """Every list of valid ranges means the ranges with both ends, without repeats."""
    spans = [(first, min(first + more, LAST_FRAME), step) for first, more, step in parts]
    text = ",".join(f"{first}-{last}x{step}" for first, last, step in spans)
    numbers = chain.from_iterable(range(first, last + 1, step) for first, last, step in spans)
    assert tuple(dict.fromkeys(numbers)) == parse_frames(text)


@given(st.text(st.sampled_from("0123456789-x, ,\u0663\x00"), max_size=40) | st.text(max_size=40))
def test_any_text_is_a_bounded_list_or_refused(text: str) -> None:
    """fault_34: no frame is outside Blender's range, and no list has a million frames."""
    try:
        frames, code = parse_frames(text), None
    except JobRejected as refusal:
        frames, code = (0,), refusal.code
    assert code in {None, Code.FRAME_RANGE}
    assert 1 <= len(frames) <= MAX_FRAMES
    assert (min(frames) >= 0, max(frames) <= LAST_FRAME, len(set(frames))) == (True, True, len(frames))


def test_the_whole_limit_grows_with_the_frames() -> None:
    """Loading counts once, and each frame adds its limit."""
    assert RenderLimits(loading_seconds=60, frame_seconds=300).wall_seconds(4) == 1260


def test_formats_name_their_files() -> None:
    """By the endings that Blender uses."""
    assert [ImageFormat.PNG.suffix, ImageFormat.EXR.suffix] == [".png", ".exr"]
