"""The hours of the day at which a worker may work."""

from __future__ import annotations

import pytest

from veriframe.model.attempt.work_hours import parse_work_hours


def minute(text: str) -> int:
    """The minute of the day of a time such as `07:05`."""
    hours, minutes = text.split(":")
    return 60 * int(hours) + int(minutes)


@pytest.mark.parametrize(
    ("hours", "within", "outside"),
    [
        ("09:00-17:30", ["09:00", "17:29"], ["08:59", "17:30", "00:00"]),
        ("22:00-07:00", ["22:00", "23:59", "00:00", "06:59"], ["07:00", "21:59", "12:00"]),
        ("8:00-9:00, 20:00-24:00", ["08:30", "23:59"], ["09:00", "19:59", "00:00"]),
        ("00:00-24:00", ["00:00", "12:00", "23:59"], []),
    ],
)
def test_a_minute_is_within_the_hours_or_outside(hours: str, within: list[str], outside: list[str]) -> None:
    """The first minute counts, the last one does not; a span may pass midnight."""
    parsed = parse_work_hours(hours)
    assert [time for time in (*within, *outside) if parsed.include(minute(time))] == within


@pytest.mark.parametrize(
    "text",
    ["", "22-7", "22:00", "25:00-07:00", "22:60-07:00", "07:00-07:00", "24:00-01:00", "1:00-24:30", "a-b"],
)
def test_other_texts_are_refused(text: str) -> None:
    """fault_78: with how to write it."""
    with pytest.raises(ValueError, match=r"22:00-07:00|a span"):
        parse_work_hours(text)


def test_the_next_start_is_the_nearest_one() -> None:
    """As a time of day, today or tomorrow."""
    parsed = parse_work_hours("08:00-09:00,20:15-21:00")
    assert [parsed.next_start(minute(time)) for time in ("07:00", "09:00", "21:30")] == [
        "08:00",
        "20:15",
        "08:00",
    ]
