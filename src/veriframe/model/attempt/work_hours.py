"""The hours of the day at which a worker may work, as its operator writes them: `22:00-07:00`."""

from __future__ import annotations

import re
from dataclasses import dataclass

DAY_MINUTES = 24 * 60

_SPAN = re.compile(r"([01]?[0-9]|2[0-4]):([0-5][0-9])\s*[-–]\s*([01]?[0-9]|2[0-4]):([0-5][0-9])")


@dataclass(frozen=True, slots=True)
class WorkHours:
    """Spans of the day, each from its first minute up to but without its last one; over midnight if reversed.

    Minutes count from midnight, 0 … 1439, in the time of the machine.
    """

    spans: tuple[tuple[int, int], ...]

    def include(self, minute: int) -> bool:
        """Whether the worker may work in this minute."""
        return any(
            first <= minute < last if first < last else minute >= first or minute < last
            for first, last in self.spans
        )

    def next_start(self, minute: int) -> str:
        """Returns when the next span begins, such as `22:00`."""
        wait = min((first - minute) % DAY_MINUTES for first, _ in self.spans)
        hours, minutes = divmod((minute + wait) % DAY_MINUTES, 60)
        return f"{hours:02}:{minutes:02}"


def parse_work_hours(text: str) -> WorkHours:
    """Reads one or more spans, separated by commas. Raises `ValueError` with how to write them."""
    spans = []
    for part in text.split(","):
        if (found := _SPAN.fullmatch(part.strip())) is None:
            raise ValueError("write it as 22:00-07:00, several with commas between them")
        first, last = (60 * int(found[hour]) + int(found[hour + 1]) for hour in (1, 3))
        if first >= DAY_MINUTES or last > DAY_MINUTES or first == last:
            raise ValueError("a span begins before 24:00, ends by then, and is not empty")
        spans.append((first, last))
    return WorkHours(tuple(spans))
