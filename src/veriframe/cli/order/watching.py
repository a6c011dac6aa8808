"""`veriframe order watch`: follows an order as a whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Protocol

import typer
from rich.console import Group
from rich.live import Live
from rich.text import Text

from veriframe.causes import cause_of
from veriframe.cli import context
from veriframe.cli.display import order_view, show
from veriframe.cli.order import acting, options
from veriframe.creator.orders.arriving import require_free
from veriframe.creator.orders.results import ChunkResults, preview_bytes
from veriframe.creator.orders.values import Chunk, ChunkState, OrderStatus
from veriframe.errors import JobError, SettingsError, Unavailable
from veriframe.ports.store import ContentStore

REFUNDED = 6
"""The exit code of `watch` if a chunk was refunded, or expired."""
LAST_LINES = 6
"""How many of the last lines stand below the grid."""


class View(Protocol):
    """Shows an order at each poll, and lines about it."""

    def show(self, status: OrderStatus, changed: list[Chunk]) -> None:
        """Show it; `changed` are the chunks that are in another state than before."""

    def say(self, line: str) -> None:
        """Show a line."""


def watch(
    number: options.Number,
    to_result: Annotated[bool, typer.Option("--result", help="Stop once no more frames can come.")] = False,
    previews: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Fetch the contact sheet of each chunk that comes, as it is, to this folder."
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Follow an order until it is over: chunks, frames, money and time. Exits with 6 if some were lost."""
    orders = acting.orders()
    settings = context.current().settings
    if previews is not None:
        try:
            previews.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(
                f"--previews {previews} cannot be used: {cause_of(error)}. Pass a folder that you can write."
            ) from error
    with _view(as_json=as_json) as view:
        polls = orders.followed(number, settings.poll_seconds)
        following = _follow(
            polls,
            view,
            orders.jobs.store,
            previews,
            to_result=to_result,
            disk_free_bytes=settings.disk_free_bytes,
        )
        last = context.follow(following)
    if last is not None and last.count(ChunkState.REFUNDED, ChunkState.EXPIRED):
        raise typer.Exit(REFUNDED)


async def _follow(
    polls: AsyncIterator[OrderStatus],
    view: View,
    store: ContentStore,
    previews: Path | None,
    *,
    to_result: bool,
    disk_free_bytes: int = 0,
) -> OrderStatus | None:
    before: dict[int, ChunkState] = {}
    shown, status = set[int](), None
    async for status in polls:
        chunks = status.chunks
        changed = [chunk for chunk in chunks if before.get(chunk.job.id) != chunk.state]
        is_first, before = not before, {chunk.job.id: chunk.state for chunk in chunks}
        # At first, only what is under way or has come is news.
        view.show(status, [one for one in changed if not is_first or one.state is not ChunkState.OPEN])
        for chunk in chunks if previews else ():
            if chunk.has_result and chunk.job.id not in shown and status.bundles:
                shown.add(chunk.job.id)
                assert previews is not None
                view.say(await _preview(chunk, store, previews, disk_free_bytes))
        if to_result and status.has_come:
            break
    return status


async def _preview(chunk: Chunk, store: ContentStore, folder: Path, disk_free_bytes: int) -> str:
    """Fetch a chunk's contact sheet. It is not decoded here. Returns a line about it."""
    target = folder / f"job-{chunk.job.id}.jpg"
    try:
        require_free(folder, preview_bytes(chunk), disk_free_bytes)
        await ChunkResults(store=store).preview(chunk, target)
    except (JobError, Unavailable) as error:
        return f"job {chunk.job.id}: no preview: {error}"
    return f"job {chunk.job.id}: {target}"


def _when(chunk: Chunk) -> tuple[int, int]:
    """When a chunk got into its state, in chain seconds; those whose time is not known come last."""
    at = chunk.job.claimed_at if chunk.state is ChunkState.UNDER_WAY else chunk.came_at
    return at or chunk.now, chunk.job.id


class _Lines:
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


class _JsonLines(_Lines):
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


class _Screen(_Lines):
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
def _view(*, as_json: bool) -> Iterator[View]:
    if as_json:
        yield _JsonLines()
    elif not show.out.is_terminal:
        yield _Lines()
    else:
        with Live(console=show.out, auto_refresh=False, vertical_overflow="crop") as live:
            yield _Screen(live)
