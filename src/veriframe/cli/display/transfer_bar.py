"""Shows the progress of an upload or download: a bar on a terminal, otherwise lines."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, ProgressColumn, Task, TextColumn
from rich.progress import Progress as Bars
from rich.text import Text

from veriframe.cli.display import show
from veriframe.model.quantities import format_size, format_span
from veriframe.ports.store import OnTransfer, Transfer

LINE_SECONDS = 5.0
"""Seconds between two lines. A shorter transfer prints none."""


@contextmanager
def transfer_bar(what: str) -> Iterator[OnTransfer]:
    """Show progress on stderr: a transient bar on a terminal, otherwise occasional lines."""
    if not show.err.is_terminal:
        lines = _Lines(what)
        yield lines.on_transfer
        lines.end()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), _Figures())
    with Bars(*columns, console=show.err, transient=True) as bars:
        bar = bars.add_task(what, total=None)

        def move(transfer: Transfer) -> None:
            bars.update(bar, completed=transfer.done_bytes, total=transfer.total_bytes)

        yield move


class _Figures(ProgressColumn):
    """The sizes, the rate and the time left of a bar."""

    def render(self, task: Task) -> Text:
        """Write them as the lines of a script do."""
        total = None if task.total is None else int(task.total)
        return Text(_figures(int(task.completed), total, task.speed or 0.0))


def _figures(done_bytes: int, total_bytes: int | None, rate: float) -> str:
    """The sizes, the rate in bytes per second, and the time left if it is known."""
    of, left = "", ""
    if total_bytes is not None:
        of = f" of {format_size(total_bytes)}"
        if rate >= 1:
            left = f", {format_span(int((total_bytes - done_bytes) / rate))} left"
    return f"{format_size(done_bytes)}{of}, {format_size(int(rate))}/s{left}"


class _Lines:
    """Prints lines with size, rate and time left. The rate excludes what an earlier attempt had fetched."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._started = self._printed = time.monotonic()
        self._first: Transfer | None = None
        self._last = Transfer(done_bytes=0, total_bytes=None)

    def on_transfer(self, transfer: Transfer) -> None:
        """Print a line if the last one is old enough."""
        self._first, self._last = self._first or transfer, transfer
        now = time.monotonic()
        if now - self._printed < LINE_SECONDS:
            return
        self._printed = now
        self._say(_figures(transfer.done_bytes, transfer.total_bytes, self._rate(now)))

    def end(self) -> None:
        """Print a last line if there was any line before."""
        if self._printed > self._started:
            now = time.monotonic()
            seconds = format_span(int(now - self._started))
            self._say(
                f"{format_size(self._last.done_bytes)} in {seconds}, {format_size(int(self._rate(now)))}/s"
            )

    def _rate(self, now: float) -> float:
        """The rate in bytes per second."""
        fetched_bytes = self._last.done_bytes - (self._first.done_bytes if self._first else 0)
        return max(fetched_bytes, 0) / max(now - self._started, 1e-6)

    def _say(self, text: str) -> None:
        show.err.print(f"{self._what}: {text}", soft_wrap=True)
