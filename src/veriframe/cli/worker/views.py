"""How a worker is seen where it runs: as a live screen, as sentences line by line, or by its log alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.live import Live

from veriframe.cli.display import show
from veriframe.cli.worker import drawing
from veriframe.model.quantities import format_span
from veriframe.worker.overview.overview import Happening, JobAtWork, Overview

LINES_BESIDE_JOBS = 16
"""Lines of the screen that are not about jobs; each job may take two of the others."""

EVENTS_AGAIN = 10
"""The most events that are printed again when the terminal's width has changed."""

PROGRESS_SECONDS = 30.0
"""Between two sentences about the progress of one render."""


class View(Protocol):
    """What shows a worker to whoever started it. None of its methods blocks."""

    def tell(self, happening: Happening) -> None:
        """An event, as it happens."""

    def show(self, overview: Overview) -> None:
        """The present state, once or twice a second."""

    def end(self, overview: Overview) -> None:
        """The last state: the worker has stopped."""


class Screen(View):
    """Events as they come, and below them the overview, drawn again and again."""

    def __init__(self, live: Live) -> None:
        self._live, self._columns = live, live.console.width

    def tell(self, happening: Happening) -> None:
        """Prints it above the overview."""
        self._live.console.print(drawing.event_line(happening))

    def show(self, overview: Overview) -> None:
        """Draws it, unless the terminal is too slow for the last one."""
        if getattr(sys.stderr, "is_behind", False):
            return
        console = self._live.console
        if console.width != self._columns:
            # The terminal has wrapped what it shows anew, so nothing is where it was.
            self._columns = console.width
            console.clear()
            for happening in overview.happened[-EVENTS_AGAIN:]:
                self.tell(happening)
        most = max(1, min(drawing.MOST_JOBS, (console.height - LINES_BESIDE_JOBS) // 2))
        self._live.update(drawing.draw(overview, console.width, most_jobs=most), refresh=True)

    def end(self, overview: Overview) -> None:
        """Leaves it on the terminal."""
        drawn = drawing.draw(overview, self._live.console.width, runs=False)
        self._live.update(drawn, refresh=True)


class Sentences(View):
    """Each event as a line, and now and then how far the renders are."""

    def __init__(self, console: Console = show.err) -> None:
        self._console = console
        self._told: dict[int, float] = {}

    def tell(self, happening: Happening) -> None:
        """Prints it."""
        self._console.print(drawing.event_line(happening))

    def end(self, overview: Overview) -> None:
        """Nothing more."""

    def show(self, overview: Overview) -> None:
        """Says how far renders are that have not ended since the last time."""
        self._told = {job.job_id: self._told.get(job.job_id, overview.now) for job in overview.jobs}
        for job in overview.jobs:
            if job.share is not None and overview.now - self._told[job.job_id] >= PROGRESS_SECONDS:
                self._told[job.job_id] = overview.now
                self.tell(Happening(at=overview.now, text=_progress(job, job.share)))


class LogOnly(View):
    """Shows nothing: the log has it all."""

    def tell(self, happening: Happening) -> None:
        """Nothing."""

    def show(self, overview: Overview) -> None:
        """Nothing."""

    def end(self, overview: Overview) -> None:
        """Nothing."""


@contextmanager
def screen() -> Iterator[Screen]:
    """The live screen on stderr, until the block ends; the last overview stays."""
    console = Console(stderr=True, highlight=False)
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        yield Screen(live)


@contextmanager
def sentences() -> Iterator[Sentences]:
    """Sentences on stderr."""
    yield Sentences()


def is_screen_possible() -> bool:
    """Whether stderr is a terminal that can be drawn on, whatever FORCE_COLOR says."""
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    return is_terminal and not Console(stderr=True).is_dumb_terminal


def _progress(job: JobAtWork, share: float) -> str:
    left = "" if job.seconds_left is None else f", {format_span(int(job.seconds_left))} left"
    return f"job {job.job_id}: {job.doing}, {share:.0%}{left}".replace("%", " %")
