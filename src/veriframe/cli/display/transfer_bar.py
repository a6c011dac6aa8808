"""How far bytes are on their way into the store or out of it: a bar, or lines where nobody sees a bar."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    DownloadColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as Bars

from veriframe.cli.display import show
from veriframe.ports.store import OnTransfer, Transfer

LINE_SECONDS = 5.0
"""Between two lines. What takes less has none."""


@contextmanager
def transfer_bar(what: str) -> Iterator[OnTransfer]:
    """On stderr: a bar on a terminal, which goes when all is done; otherwise a line now and then."""
    if not show.err.is_terminal:
        lines = _Lines(what)
        yield lines.on_transfer
        lines.end()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=show.err, transient=True) as bars:
        bar = bars.add_task(what, total=None)

        def move(transfer: Transfer) -> None:
            bars.update(bar, completed=transfer.done_bytes, total=transfer.total_bytes)

        yield move


class _Lines:
    """Lines with sizes, rate and time left. The rate leaves out what an earlier try had brought."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._started = self._told = time.monotonic()
        self._first: Transfer | None = None
        self._last = Transfer(done_bytes=0, total_bytes=None)

    def on_transfer(self, transfer: Transfer) -> None:
        """Tell it where the last line is old enough."""
        self._first, self._last = self._first or transfer, transfer
        now = time.monotonic()
        if now - self._told < LINE_SECONDS:
            return
        self._told = now
        rate = self._rate(now)
        of, left = "", ""
        if transfer.total_bytes is not None:
            of = f" of {show.size(transfer.total_bytes)}"
            if rate >= 1:
                left = f", {show.span(int((transfer.total_bytes - transfer.done_bytes) / rate))} left"
        self._say(f"{show.size(transfer.done_bytes)}{of}, {show.size(int(rate))}/s{left}")

    def end(self) -> None:
        """One line more, where there was any."""
        if self._told > self._started:
            now = time.monotonic()
            seconds = show.span(int(now - self._started))
            self._say(f"{show.size(self._last.done_bytes)} in {seconds}, {show.size(int(self._rate(now)))}/s")

    def _rate(self, now: float) -> float:
        """Bytes a second."""
        came_bytes = self._last.done_bytes - (self._first.done_bytes if self._first else 0)
        return max(came_bytes, 0) / max(now - self._started, 1e-6)

    def _say(self, text: str) -> None:
        show.err.print(f"{self._what}: {text}", soft_wrap=True)
