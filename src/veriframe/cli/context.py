"""The shared base of all commands: the process's settings, the acting account and the event loop."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from veriframe import logs
from veriframe.errors import OutputGone, SettingsError, VeriFrameError
from veriframe.interrupts import EXIT_CODE, interrupts
from veriframe.ports.store import ContentStore
from veriframe.settings import Loaded, Settings, load
from veriframe.wiring import stores

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")

INTERRUPTED = EXIT_CODE
"""The exit code after Ctrl-C."""
WORKER = "worker"
"""The account that acts in commands for owners of machines, if none was named."""

_loaded: ContextVar[Loaded] = ContextVar("loaded")


class _Process:
    """What is set up once: the log, and the event loop, so that connections stay open between two `run`s."""

    def __init__(self) -> None:
        self.set_up_log: Callable[[str], None] | None = None
        self.log_level = "info"
        self.runner: asyncio.Runner | None = None
        self.endings: list[Callable[[], Awaitable[None]]] = []


_process = _Process()


def read_settings(
    config: Path | None, assignments: Sequence[str], flags: Mapping[str, str | None], *, quiet: bool = False
) -> None:
    """Read all settings once. `assignments` are texts of the form `name=value`.

    `quiet`: the command shows its results, so that the log shows only warnings unless its level was set, and
    where no person reads them, only errors. It is set up when something is opened or run.

    Raises `SettingsError`.
    """
    if not os.environ.get("HOME", ""):
        # Empty is not set, here as for our own variables: the system knows the user's home.
        os.environ.pop("HOME", None)
    named = {name: value for name, value in flags.items() if value is not None}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise SettingsError(f"--set {assignment}: write it as --set name=value.")
        named[name.strip()] = value
    loaded = load(named, os.environ, config)
    _loaded.set(loaded)
    level: str = loaded.settings.log_level
    if quiet and loaded.is_default("log_level"):
        level = "warning" if sys.stderr is not None and sys.stderr.isatty() else "error"
    _process.set_up_log = partial(
        logs.configure,
        loaded.settings.log_format,
        never_hidden=frozenset() if quiet else logs.NEVER_HIDDEN,
    )
    _process.log_level = level
    if not quiet:
        begin_log()


def begin_log(level: str | None = None) -> None:
    """Set up the log, unless that is done, before anything is opened that may log; `level` overrides."""
    if (set_up := _process.set_up_log) is not None:
        _process.set_up_log = None
        set_up(level or _process.log_level)


def current() -> Loaded:
    """The settings of this process, with where each came from."""
    return _loaded.get()


def account(default: str) -> str:
    """The name of the account that acts: the setting, else `default`."""
    return current().settings.account or default


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end. `main` handles errors; Ctrl-C cancels it and exits with `INTERRUPTED`."""
    import asyncio  # noqa: PLC0415 - it is slow to import, and light commands run nothing

    begin_log()
    if _process.runner is None:
        _process.runner = asyncio.Runner()
    try:
        return _process.runner.run(_interruptible(work))
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except asyncio.CancelledError:
        if not interrupts.received:
            raise
        raise typer.Exit(INTERRUPTED) from None


async def _interruptible(work: Coroutine[Any, Any, T]) -> T:
    import asyncio  # noqa: PLC0415

    task = asyncio.create_task(work)
    with interrupts.stopping(partial(task.get_loop().call_soon_threadsafe, task.cancel)):
        return await task


def follow(work: Coroutine[Any, Any, T]) -> T:
    """Like `run`, for a command that prints what happens as it happens, and makes no moves.

    It ends as soon as nobody reads its output any more, not only when it has something to print. Raises
    `OutputGone`.
    """
    return run(_while_read(work))


async def _while_read(work: Coroutine[Any, Any, T]) -> T:
    import asyncio  # noqa: PLC0415

    task = asyncio.create_task(work)
    gone: list[bool] = []

    def on_gone() -> None:
        gone.append(True)
        task.cancel()

    with _noticing(on_gone):
        try:
            return await task
        except asyncio.CancelledError:
            if not gone:
                raise
            raise OutputGone from None
        except ExceptionGroup as group:
            if group.subgroup(OutputGone) is None:
                raise
            raise OutputGone from None


@contextmanager
def _noticing(on_gone: Callable[[], None]) -> Iterator[None]:
    """Inside, `on_gone` is called if stdout is a pipe and its reader exits."""
    import asyncio  # noqa: PLC0415

    loop, descriptor = asyncio.get_running_loop(), 1
    if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        yield
        return

    def once() -> None:
        loop.remove_reader(descriptor)
        on_gone()

    # Nothing can be read from this end: it only becomes "readable" when the other one is closed.
    loop.add_reader(descriptor, once)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)


def at_end(ending: Callable[[], Awaitable[None]]) -> None:
    """Register a callback that closes something when the command ends, even with an error."""
    _process.endings.append(ending)


def open_store(settings: Settings) -> ContentStore:
    """Open the content store; it is closed when the command ends."""
    begin_log()
    opened = stores.open_store(settings)
    at_end(opened.close)
    return opened


def finish() -> None:
    """Run all registered callbacks and close the event loop. Errors while closing are ignored."""
    runner, endings = _process.runner, _process.endings
    _process.runner, _process.endings = None, []
    if runner is None:
        return
    for ending in reversed(endings):
        with suppress(VeriFrameError):
            runner.run(_await(ending))
    runner.close()


async def _await(ending: Callable[[], Awaitable[None]]) -> None:
    await ending()
