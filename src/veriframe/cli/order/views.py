"""Shows an order that is followed: as a grid on a terminal, as lines, or as objects for scripts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Group
from rich.live import Live
from rich.text import Text

from veriframe.cli.display import order_view, show
from veriframe.creator.orders.values import Chunk, ChunkState, OrderStatus

LAST_LINES = 6
"""How many of the last lines stand below the grid."""


class View(Protocol):
    """Shows an order at each poll, and lines about it."""

    def show(self, status: OrderStatus, changed: list[Chunk]) -> None:
        """Show it; `changed` are the chunks that are in another state than before."""

    def say(self, line: str) -> None:
        """Show a line."""


def _when(chunk: Chunk) -> tuple[int, int]:
    """When a chunk got into its state, in chain seconds; those whose time is not known come last."""
    at = chunk.job.claimed_at if chunk.state is ChunkState.UNDER_WAY else chunk.came_at
    return at or chunk.now, chunk.job.id


class Lines:
    """A line for each change, and one if nobody claims a chunk."""

    _is_hinted = False

    def show(self, status: OrderStatus, changed: list[Chunk]) -> None:
        """Print what has changed, in the order in which it happened."""
        for chunk in sorted(changed, key=_when):
            show.line(show.clean(order_view.sentence(status, chunk)))
        told = "".join(order_view.unclaimed(status).values())
        if told and not self._is_hinted:
            show.err.print(show.clean(told), style="yellow", markup=False, soft_wrap=True)
        self._is_hinted = bool(told)

    def say(self, line: str) -> None:
        """Print a line."""
        show.line(show.clean(line))


class JsonLines(Lines):
    """An object for each poll with a change, with the chunks that changed."""

    def __init__(self) -> None:
        self._is_first = True

    def show(self, status: OrderStatus, changed: list[Chunk]) -> None:
        """Print the order, at first with all chunks."""
        if changed or self._is_first:
            show.json_line(order_view.as_object(status, None if self._is_first else changed))
        self._is_first = False

    def say(self, line: str) -> None:
        """Print a line on stderr."""
        show.err.print(show.clean(line), markup=False)


class Screen(Lines):
    """The grid, drawn anew at each poll, with the last lines below it."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._said: list[str] = []
        self._status: OrderStatus | None = None

    def show(self, status: OrderStatus, changed: list[Chunk]) -> None:
        """Draw it."""
        self._said += [order_view.sentence(status, chunk) for chunk in sorted(changed, key=_when)]
        self._status = status
        self._draw()

    def say(self, line: str) -> None:
        """Draw it with one line more."""
        self._said.append(line)
        self._draw()

    def _draw(self) -> None:
        if self._status is None:
            return
        console = self._live.console
        colour = console.color_system is not None
        drawn = order_view.draw(self._status, console.width, has_colour=colour)
        lines = [
            Text(f"   {show.clean(line)}", order_view.ASIDE, overflow="ellipsis", no_wrap=True)
            for line in self._said[-LAST_LINES:]
        ]
        self._live.update(Group(drawn, *lines), refresh=True)


@contextmanager
def view_of(*, as_json: bool) -> Iterator[View]:
    """What shows it: by where the output goes."""
    if as_json:
        yield JsonLines()
    elif not show.out.is_terminal:
        yield Lines()
    else:
        with Live(console=show.out, auto_refresh=False, vertical_overflow="crop") as live:
            yield Screen(live)
