"""A bar for bytes on their way into the store or out of it, with rate and time left."""

from __future__ import annotations

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

from veriframe.cli import show
from veriframe.ports import OnTransfer, Transfer, unheard


@contextmanager
def transfer_bar(what: str) -> Iterator[OnTransfer]:
    """On a terminal a bar on stderr, which goes when all is done; otherwise nothing."""
    if not show.err.is_terminal:
        yield unheard
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
