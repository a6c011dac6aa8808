"""How often the worker polls."""

from __future__ import annotations

import pytest

from veriframe.worker.polling import PollInterval


class Clock:
    """A clock that tests set."""

    now = 1000.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


@pytest.mark.parametrize(
    ("quiet_seconds", "expected"), [(0, 0.25), (20, 0.25), (100, 1.0), (300, 3.0), (500, 5.0), (10**6, 5.0)]
)
def test_the_pause_grows_with_the_quiet(quiet_seconds: int, expected: float) -> None:
    """It is a hundredth of it, between the two limits."""
    clock = Clock()
    pace = PollInterval(0.25, 5, clock)
    clock.now += quiet_seconds
    assert pace.pause_seconds() == pytest.approx(expected)


def test_news_restore_the_short_pause() -> None:
    """More may follow."""
    clock = Clock()
    pace = PollInterval(0.25, 5, clock)
    clock.now += 1000
    pace.note_news()
    assert pace.pause_seconds() == 0.25


def test_what_is_due_is_not_missed() -> None:
    """A review that ends in two seconds is polled then, but never before the shortest pause."""
    clock = Clock()
    pace = PollInterval(0.25, 5, clock)
    clock.now += 1000
    assert pace.pause_seconds(2) == 2
    assert pace.pause_seconds(0) == 0.25
    assert pace.pause_seconds(60) == 5


def test_a_busy_worker_does_not_hurry() -> None:
    """No slot is free for news; what is due still counts."""
    pace = PollInterval(0.25, 5, Clock())
    assert pace.pause_seconds(busy=True) == 5
    assert pace.pause_seconds(1, busy=True) == 1


def test_an_idle_pause_below_the_shortest_is_the_shortest() -> None:
    """A high poll_seconds overrides idle_seconds."""
    assert PollInterval(60, 5, Clock()).pause_seconds() == 60
