"""Harmless log lines, and streams that are split into lines within limits."""

from __future__ import annotations

import itertools
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriframe.adapters.blender.sandbox.text import MAX_LOG_LINE, LineSplitter, StreamLimits, strip


@pytest.mark.parametrize(
    ("line", "harmless"),
    [
        (b"plain", "plain"),
        (b"\x1b[31mred\x1b[0m", "red"),
        (b"\x1b]0;title\x07after", "after"),
        (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"a\x08\x08b\rc\x00d", "abcd"),
        ("\u202eevil\u2066".encode(), "evil"),
        (b"one\ttwo  ", "one two"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        ("Grüße 日本 ✓".encode(), "Grüße 日本 ✓"),
    ],
)
def test_escape_control_and_direction_characters_are_dropped(line: bytes, harmless: str) -> None:
    """fault_15, fault_36: terminal control codes are dropped, readable text stays."""
    assert harmless == strip(line)


@given(st.binary(max_size=3000))
def test_no_line_keeps_anything_that_drives_a_terminal(line: bytes) -> None:
    """fault_36: for any bytes."""
    text = strip(line)
    assert len(text) <= MAX_LOG_LINE
    assert set() == {unicodedata.category(character) for character in text} & {"Cc", "Cf", "Cs", "Co"}


@given(st.lists(st.binary(max_size=40).filter(lambda line: b"\n" not in line)), st.data())
def test_lines_are_complete_however_the_stream_is_split(lines: list[bytes], data: st.DataObject) -> None:
    """Chunk borders do not matter."""
    stream = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)))) | {0, len(stream)})
    seen: list[bytes] = []
    splitter = LineSplitter(seen.append, StreamLimits(40, 10_000, 1000), cut=False)
    assert all(splitter.feed(stream[start:end]) for start, end in itertools.pairwise(cuts))
    splitter.close()
    assert lines == seen


def test_a_stream_over_its_total_is_refused() -> None:
    """fault_35: exactly the limit is allowed, one byte more is not."""
    seen: list[bytes] = []
    splitter = LineSplitter(seen.append, StreamLimits(100, 10, 1000), cut=True)
    assert (splitter.feed(b"123456789\n"), splitter.feed(b"x")) == (True, False)
    assert seen == [b"123456789"]


@pytest.mark.parametrize("ending", [b"\n", b""])
def test_a_report_line_over_its_limit_is_refused(ending: bytes) -> None:
    """Also before the line's end: memory is bounded."""
    seen: list[bytes] = []
    splitter = LineSplitter(seen.append, StreamLimits(4, 1000, 1000), cut=False)
    assert splitter.feed(b"1234" + ending)
    assert not splitter.feed(b"12345" + ending)


def test_a_log_line_over_its_limit_is_cut() -> None:
    """A log continues after a line that is too long."""
    seen: list[bytes] = []
    splitter = LineSplitter(seen.append, StreamLimits(4, 1000, 1000), cut=True)
    assert splitter.feed(b"123456")
    assert splitter.feed(b"789\nnext\nlast")
    splitter.close()
    assert [line[:4] for line in seen] == [b"1234", b"next", b"last"]


@pytest.mark.parametrize("cut", [False, True])
def test_a_stream_of_too_many_lines_is_refused(cut: bool) -> None:
    """fault_95: empty lines count, and exactly the limit is allowed."""
    seen: list[bytes] = []
    splitter = LineSplitter(seen.append, StreamLimits(100, 1000, 3), cut=cut)
    assert splitter.feed(b"\n\na\nb")
    assert not splitter.feed(b"\n\n")
    splitter.close()
    assert seen == [b"", b"", b"a"]


@pytest.mark.parametrize("caps", [StreamLimits(100, 5, 1000, 10), StreamLimits(100, 1000, 5, 0, 5)])
def test_the_limits_of_a_long_stream_grow(monkeypatch: pytest.MonkeyPatch, caps: StreamLimits) -> None:
    """With time, so that a long render is not a flood; but who waited for days may not flood either."""
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    splitter = LineSplitter(lambda line: None, caps, cut=True)
    for passed in range(3):
        now = 100.0 + passed
        assert splitter.feed(b"\n" * 5)
    now = 100_000.0
    assert not splitter.feed(b"\n" * 6)
