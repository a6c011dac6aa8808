"""The shared base of all commands: the process's settings, the acting account and the event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

import typer

from veriframe import logs
from veriframe.errors import SettingsError, VeriFrameError
from veriframe.ports.store import ContentStore
from veriframe.settings import Loaded, Settings, load
from veriframe.wiring import stores

T = TypeVar("T")

_loaded: ContextVar[Loaded] = ContextVar("loaded")

INTERRUPTED = 130
"""The exit code after Ctrl-C, as in shells."""


def read_settings(
    config: Path | None, assignments: Sequence[str], flags: Mapping[str, str | None], *, quiet: bool = False
) -> None:
    """Read all settings once and set up logging. `assignments` are texts of the form `name=value`.

    `quiet`: the log shows only warnings unless its level was set, because the command shows its results.

    Raises `SettingsError`.
    """
    named = {name: value for name, value in flags.items() if value is not None}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise SettingsError(f"--set {assignment}: write it as --set name=value.")
        named[name.strip()] = value
    loaded = load(named, os.environ, config)
    _loaded.set(loaded)
    level = "warning" if quiet and loaded.is_default("log_level") else loaded.settings.log_level
    logs.configure(loaded.settings.log_format, level)


def current() -> Loaded:
    """The settings of this process, with where each came from."""
    return _loaded.get()


def account(default: str) -> str:
    """The name of the account that acts: the setting, else `default`."""
    return current().settings.account or default


class _Loop:
    """One event loop for the whole command, so that connections stay open from one `run` to the next."""

    def __init__(self) -> None:
        self.runner: asyncio.Runner | None = None
        self.endings: list[Callable[[], Awaitable[None]]] = []


_loop = _Loop()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end. `main` handles errors; Ctrl-C exits quietly with `INTERRUPTED`."""
    if _loop.runner is None:
        _loop.runner = asyncio.Runner()
    try:
        return _loop.runner.run(work)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def at_end(ending: Callable[[], Awaitable[None]]) -> None:
    """Register a callback that closes something when the command ends, even with an error."""
    _loop.endings.append(ending)


def open_store(settings: Settings) -> ContentStore:
    """Open the content store; it is closed when the command ends."""
    opened = stores.open_store(settings)
    at_end(opened.close)
    return opened


def finish() -> None:
    """Run all registered callbacks and close the event loop. Errors while closing are ignored."""
    runner, endings = _loop.runner, _loop.endings
    _loop.runner, _loop.endings = None, []
    if runner is None:
        return
    for ending in reversed(endings):
        with suppress(VeriFrameError):
            runner.run(_await(ending))
    runner.close()


async def _await(ending: Callable[[], Awaitable[None]]) -> None:
    await ending()
