"""Reports from a sandbox are untrusted: parsed strictly, bounded, or ignored."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriframe.adapters.blender import reports
from veriframe.adapters.blender.reports import RunReport

PROGRESS: dict[str, Any] = {
    "kind": "progress",
    "phase": "rendering",
    "frame": 1,
    "done": 0,
    "total": 2,
    "fraction": 0.5,
    "seconds": 1.5,
    "memory_bytes": 1000,
}
FRAME: dict[str, Any] = {
    "kind": "frame",
    "number": 1,
    "file": "frame_0001.png",
    "width": 64,
    "height": 36,
}
DECODED: dict[str, Any] = {
    "kind": "decoded",
    "number": 1,
    "width": 64,
    "height": 36,
    "channels": 4,
    "bit_depth": 8,
    "pixel_digest": "0" * 64,
    "channel_names": "R,G,B",
    "proof_root": "",
    "black": False,
    "finite": True,
}
ABOUT = {"kind": "about", "major": 4, "minor": 5, "version_text": "4.5", "build_hash": "x"}


def line(report: dict[str, Any]) -> bytes:
    """A report as it arrives through the pipe."""
    return json.dumps(report).encode()


@pytest.mark.parametrize(
    "report", [PROGRESS, FRAME, DECODED, {"kind": "ready"}], ids=lambda report: report["kind"]
)
def test_a_valid_report_is_parsed(report: dict[str, Any]) -> None:
    """Each kind."""
    event = reports.parse(line(report))
    assert event is not None
    assert event.model_dump() == report


@pytest.mark.parametrize(
    ("report", "change"),
    [
        (PROGRESS, {"phase": "\x1b[31m"}),
        (PROGRESS, {"frame": -1}),
        (PROGRESS, {"frame": 10**9}),
        (PROGRESS, {"frame": "1"}),
        (PROGRESS, {"frame": True}),
        (PROGRESS, {"fraction": 1.5}),
        (PROGRESS, {"fraction": float("nan")}),
        (PROGRESS, {"seconds": float("inf")}),
        (PROGRESS, {"memory_bytes": 2**60}),
        (PROGRESS, {"more": 1}),
        (FRAME, {"file": "x" * 41}),
        (FRAME, {"width": 0}),
        (FRAME, {"width": 10**6}),
        (FRAME, {"seconds": 0.5}),
        (DECODED, {"pixel_digest": "0" * 63 + "\n"}),
        (DECODED, {"channel_names": "R,G,B\n"}),
        (DECODED, {"proof_root": "0"}),
        (DECODED, {"pixel_digest": "A" * 64}),
        (DECODED, {"bit_depth": 12}),
        (DECODED, {"channels": 2000}),
        (DECODED, {"black": 0}),
        (
            {"kind": "about", "major": 4, "minor": 5, "version_text": "4.5", "build_hash": "x"},
            {"major": 1e300},
        ),
        ({"kind": "normalised", "changed": []}, {"changed": ["x"] * 501}),
        ({"kind": "finished"}, {"kind": "unknown"}),
    ],
)
def test_anything_else_is_ignored(report: dict[str, Any], change: dict[str, Any]) -> None:
    """The report is valid without the change, and invalid with it."""
    assert reports.parse(line(report)) is not None
    assert reports.parse(line({**report, **change})) is None


@given(st.binary())
def test_arbitrary_bytes_are_harmless(data: bytes) -> None:
    """They are only counted."""
    report_so_far = RunReport()
    report_so_far.add_line(data)
    assert report_so_far.ignored + len(report_so_far.events) == 1


@pytest.mark.parametrize(
    "data", [b"[" * 100_000, b'{"kind":"inspection","x":' + b"9" * 5000 + b"}", b"\xff\xfe"]
)
def test_what_breaks_parsers_is_ignored(data: bytes) -> None:
    """Deep nesting, endless numbers, invalid UTF-8."""
    report_so_far = RunReport()
    report_so_far.add_line(data)
    assert (report_so_far.ignored, report_so_far.inspection) == (1, None)


def test_a_run_is_read_to_its_end() -> None:
    """Progress is passed on and not kept; frames are kept; the end is noted."""
    passed: list[reports.Event] = []
    report_so_far = RunReport(passed.append)
    for report in (PROGRESS, FRAME, {"kind": "finished"}):
        assert not report_so_far.finished
        report_so_far.add_line(line(report))
    assert report_so_far.finished
    assert [event.kind for event in report_so_far.events] == ["frame"]
    assert [event.kind for event in passed] == ["progress", "frame", "finished"]


def test_an_error_is_kept_in_printable_characters() -> None:
    """fault_36: Blender's errors quote the scene."""
    report_so_far = RunReport()
    report_so_far.add_line(line({"kind": "failed", "error": "no \x1b[31m camera"}))
    assert (report_so_far.error, report_so_far.finished) == ("no \ufffd[31m camera", False)


def test_the_first_inspection_counts() -> None:
    """It is passed to the model's strict parser, without its kind."""
    report_so_far = RunReport()
    report_so_far.add_line(line({"kind": "inspection", "scene": "a"}))
    report_so_far.add_line(line({"kind": "inspection", "scene": "b"}))
    assert (report_so_far.inspection, report_so_far.ignored) == ({"scene": "a"}, 1)


def test_a_flood_of_reports_is_not_kept() -> None:
    """fault_35: memory stays bounded."""
    report_so_far = RunReport()
    for _ in range(reports.MAX_EVENTS + 10):
        report_so_far.add_line(line(FRAME))
    assert len(report_so_far.events) == reports.MAX_EVENTS


@pytest.mark.parametrize("line", ["", "x", json.dumps({"kind": "normalised", "changed": ["a"]})])
def test_a_flood_is_detected(line: str) -> None:
    """fault_95: invalid and repeated reports are tolerated only up to a limit."""
    report_so_far = RunReport()
    for _ in range(reports.MAX_IGNORED + 1):
        assert not report_so_far.is_flood
        report_so_far.add_line(line.encode())
    report_so_far.add_line(line.encode())
    assert report_so_far.is_flood


@pytest.mark.parametrize(
    "report", [ABOUT, {"kind": "normalised", "changed": ["a"]}, {"kind": "failed", "error": "a"}]
)
def test_a_repeated_report_is_ignored(report: dict[str, Any]) -> None:
    """fault_95: the second of its kind is ignored; another kind is not."""
    passed: list[reports.Event] = []
    report_so_far = RunReport(passed.append)
    for _ in range(3):
        report_so_far.add_line(line(report))
    report_so_far.add_line(line(PROGRESS))
    assert [event.kind for event in passed] == [report["kind"], "progress"]
    assert report_so_far.ignored == 2


def test_only_the_first_inspection_may_be_long() -> None:
    """fault_95: the time that one line can take is bounded."""
    report_so_far = RunReport()
    long = "x" * reports.MAX_LINE_BYTES
    report_so_far.add_line(line({"kind": "failed", "error": "a"}) + b" " * reports.MAX_LINE_BYTES)
    assert (report_so_far.ignored, report_so_far.error) == (1, None)
    report_so_far.add_line(line({"kind": "inspection", "scene": long}))
    assert report_so_far.inspection == {"scene": long}


def test_an_invalid_inspection_is_not_parsed_again() -> None:
    """fault_95: only the first attempt counts, even if it is invalid."""
    report_so_far = RunReport()
    report_so_far.add_line(b'{"kind": "inspection", "scene":')
    report_so_far.add_line(line({"kind": "inspection", "scene": "b"}))
    assert (report_so_far.inspection, report_so_far.ignored) == (None, 2)
