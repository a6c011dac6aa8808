"""`veriframe status`: what a worker does and earns, from another terminal, also while none runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from typing import Annotated, Any

import typer
from rich.console import Console, Group
from rich.live import Live

from veriframe.cli import context, opening
from veriframe.cli.display import show
from veriframe.cli.worker import drawing
from veriframe.errors import SettingsError
from veriframe.wiring import workers
from veriframe.worker.overview import status_file
from veriframe.worker.overview.overview import Overview

EVENTS = 8
"""How many of the last events are shown."""

WATCH_SECONDS = 1.0


def status(
    watch: Annotated[bool, typer.Option("--watch", help="Go on until Ctrl-C.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object; with --watch a line whenever it changes.")
    ] = False,
) -> None:
    """Show what the worker does, what it waits for, and what it is paid, also while it does not run."""
    if watch and not as_json and not show.out.is_terminal:
        raise SettingsError("--watch needs a terminal. With --json it prints a line whenever it changes.")
    if watch:
        context.follow(_print_lines() if as_json else _draw_on())
        return
    opening.say_unknown_account()
    overview, process = context.run(_look())
    if as_json:
        show.as_json(_as_object(overview, process))
    else:
        _print(_drawn(overview, process, show.out))


async def _look() -> tuple[Overview, str | None]:
    """The overview, and the process id of the worker if one runs."""
    settings, account = context.current().settings, context.account(context.WORKER)
    process = workers.running_process(settings, account)
    kept = status_file.read(workers.status_file(settings, account))
    if process is not None and kept is not None:
        return replace(kept, now=time.time()), process
    return await workers.overview_at_rest(settings, account, kept), process


async def _looks() -> AsyncIterator[tuple[Overview, str | None]]:
    while True:
        yield await _look()
        await asyncio.sleep(WATCH_SECONDS)


async def _draw_on() -> None:
    console = Console(highlight=False)
    with Live(console=console, auto_refresh=False, screen=True, vertical_overflow="crop") as live:
        async for overview, process in _looks():
            live.update(_drawn(overview, process, console), refresh=True)


async def _print_lines() -> None:
    before = None
    async for overview, process in _looks():
        now = _as_object(overview, process)
        if (seen := {**now, "now": None}) != before:
            before = seen
            show.json_line(now)


def _print(drawn: Group) -> None:
    """Print it; not on a terminal, without the spaces that fill lines."""
    if show.out.is_terminal:
        show.out.print(drawn, soft_wrap=False)
        return
    with show.out.capture() as captured:
        show.out.print(drawn, soft_wrap=False)
    show.line("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _drawn(overview: Overview, process: str | None, console: Console) -> Group:
    runs = process is not None
    return drawing.draw(
        overview, console.width, runs=runs, is_here=False, process=process or "", events=EVENTS
    )


def _as_object(overview: Overview, process: str | None) -> dict[str, Any]:
    """For scripts: amounts in fri, times in Unix seconds."""
    return {"runs": process is not None, "process": process, **asdict(overview)}
