"""The views of a worker, and that none of them can harm it."""

from __future__ import annotations

import asyncio
import io
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console
from rich.live import Live
from structlog.testing import capture_logs
from tests.fakes.bench import Bench, stages
from tools.worker_picture import example

from veriframe.cli.worker import views
from veriframe.cli.worker.views import PROGRESS_SECONDS, LogOnly, Screen, Sentences, View
from veriframe.cli.worker.watching import Watching
from veriframe.model.attempt.attempt import Stage
from veriframe.worker.overview import status_file
from veriframe.worker.overview.overview import Happening, Overview, Who

WHO = Who(account="worker", home="/home", registry="embedded", store="embedded")


class Noting(View):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.last: Overview | None = None

    def tell(self, happening: Happening) -> None:
        """Noted."""
        self.texts.append(happening.text)

    def show(self, overview: Overview) -> None:
        """Nothing."""

    def end(self, overview: Overview) -> None:
        """Noted."""
        self.last = overview


class Failing(View):
    """A screen with a bug, or without a terminal."""

    def tell(self, happening: Happening) -> None:
        """Fails."""
        raise OSError

    def show(self, overview: Overview) -> None:
        """Fails."""
        raise ZeroDivisionError

    def end(self, overview: Overview) -> None:
        """Fails."""
        raise ZeroDivisionError


async def worked(bench: Bench, watching: Watching) -> None:
    """Serves one job under the eyes of a view."""
    await bench.post()
    watching.listen(bench.context)
    async with watching.shown():
        assert await bench.service().run(once=True)
    assert stages(bench) == [Stage.SUBMITTED]


async def test_a_view_is_told_all_and_shown_the_end(bench: Bench, tmp_path: Path) -> None:
    """Each stage as a sentence; the last picture has the result in review."""
    view = Noting()
    await worked(bench, Watching(WHO, view, tmp_path / "status.json"))
    assert len(view.texts) == len(bench.told)
    assert view.last is not None
    assert [due.job_id for due in view.last.due] == [1]
    kept = status_file.read(tmp_path / "status.json")
    assert kept is not None
    assert kept.due == view.last.due


async def test_a_failing_view_harms_nobody(bench: Bench, tmp_path: Path) -> None:
    """fault_180: it is logged once, the work goes on, and the status file is written."""
    with capture_logs() as lines:
        await worked(bench, Watching(WHO, Failing(), tmp_path / "status.json"))
    assert [line["event"] for line in lines].count("listener_failed") == 1
    kept = status_file.read(tmp_path / "status.json")
    assert kept is not None
    assert len(kept.happened) == len(bench.told)


async def test_a_status_file_that_cannot_be_written_harms_nobody(bench: Bench, tmp_path: Path) -> None:
    """fault_180: its folder is gone, or its disk full."""
    await worked(bench, Watching(WHO, LogOnly(), tmp_path / "nowhere" / "status.json"))


async def test_lines_of_the_log_are_told_from_any_thread(tmp_path: Path) -> None:
    """While the worker runs; before and after they are only in the log."""
    view = Noting()
    watching = Watching(WHO, view, tmp_path / "status.json")
    watching.on_log("warning", {"event": "weak_sandbox", "level": "NONE"})
    async with watching.shown():
        await asyncio.to_thread(watching.on_log, "warning", {"event": "weak_sandbox", "see": "docs"})
        await asyncio.sleep(0)
    watching.on_log("warning", {"event": "weak_sandbox"})
    assert view.texts == ["weak sandbox: see docs"]


def screen_of(columns: int) -> tuple[Screen, Console, io.StringIO]:
    """A screen on a terminal of so many columns, and all that is written to it."""
    file = io.StringIO()
    console = Console(file=file, width=columns, height=30, force_terminal=True, color_system=None)
    return Screen(Live(console=console, auto_refresh=False)), console, file


def test_a_screen_prints_events_once() -> None:
    """The overview is drawn below them again and again."""
    screen, _, file = screen_of(110)
    screen.tell(example().happened[0])
    for _ in range(3):
        screen.show(example())
    assert file.getvalue().count(example().happened[0].text) == 1


def test_a_screen_begins_anew_when_its_width_changes() -> None:
    """The terminal has wrapped what it showed: the last events are printed again, in the new width."""
    screen, console, file = screen_of(110)
    screen.show(example())
    before = len(file.getvalue())
    console.width = 60
    screen.show(example())
    assert all(happening.text[:30] in file.getvalue()[before:] for happening in example().happened)


def test_a_screen_skips_pictures_that_a_terminal_cannot_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_180: a terminal that is stopped gets the present picture later, not all of the past."""
    screen, _, file = screen_of(110)
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(is_behind=True))
    screen.show(example())
    assert file.getvalue() == ""


def test_a_screen_needs_a_real_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_180: FORCE_COLOR in a service's environment does not make its log file one."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert not views.is_screen_possible()
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setenv("TERM", "xterm")
    assert views.is_screen_possible()
    monkeypatch.setenv("TERM", "dumb")
    assert not views.is_screen_possible()


def test_sentences_tell_how_far_a_render_is() -> None:
    """Now and then, once for each job."""
    file = io.StringIO()
    view = Sentences(Console(file=file, width=200))
    overview = example()
    view.show(overview)
    assert file.getvalue() == ""
    for _ in range(2):
        view.show(replace(overview, now=overview.now + PROGRESS_SECONDS))
    first, second = file.getvalue().splitlines()
    assert ("job 11: rendering, 63 %" in first, "job 14: fetching, 31 %" in second) == (True, True)
