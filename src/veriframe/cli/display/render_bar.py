"""Shows the progress of a render on stderr: a bar on a terminal, otherwise a line every few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.markup import escape
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from veriframe.cli.display import show
from veriframe.model.quantities import format_size
from veriframe.model.rendering.frames import Progress

LINE_SECONDS = 5.0
"""Seconds between two lines about one frame."""


class RenderLines:
    """Prints a line for each step and each frame, and one every `LINE_SECONDS` while a frame takes longer."""

    def __init__(self, frames: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`frames` are rendered in all; `clock` gives monotonic seconds."""
        self._frames, self._clock = frames, clock
        self._frame, self._said = -1, 0.0

    def step(self, what: str) -> None:
        """Something else than rendering is under way."""
        show.err.print(f"{what} …", markup=False)

    def on_progress(self, progress: Progress) -> None:
        """A frame is under way."""
        now = self._clock()
        if progress.frame == self._frame and now - self._said < LINE_SECONDS:
            return
        self._frame, self._said = progress.frame, now
        show.err.print(f"{describe(progress)} ({progress.done} of {self._frames} done)", markup=False)


class RenderBar:
    """Moves one bar for all frames, with the step or the frame's phase before it."""

    def __init__(self, frames: int, bars: Bars) -> None:
        self._bars, self._bar = bars, bars.add_task("", total=frames)

    def step(self, what: str) -> None:
        """Something else than rendering is under way."""
        self._bars.update(self._bar, description=escape(what))

    def on_progress(self, progress: Progress) -> None:
        """A frame is under way."""
        done = progress.done + (progress.fraction or 0.0)
        self._bars.update(self._bar, completed=done, description=escape(describe(progress)))


def describe(progress: Progress) -> str:
    """What a frame is at, such as `denoising frame 1, 99 %, 1.2 GB`."""
    percent = "" if progress.fraction is None else f", {100 * progress.fraction:.0f} %"
    return f"{progress.phase} frame {progress.frame}{percent}, {format_size(progress.memory_bytes)}"


@contextmanager
def render_bar(frames: int) -> Iterator[RenderBar | RenderLines]:
    """Show the progress of a render of `frames` frames, until the end of the block."""
    if not show.err.is_terminal:
        yield RenderLines(frames)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Bars(*columns, console=show.err, transient=True) as bars:
        yield RenderBar(frames, bars)
