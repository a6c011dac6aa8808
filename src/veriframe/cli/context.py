"""What every command stands on: the settings of this process, who acts, and how a coroutine is run."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

import typer

from veriframe import logs
from veriframe.errors import SettingsError
from veriframe.settings import Loaded, load

T = TypeVar("T")

_loaded: ContextVar[Loaded] = ContextVar("loaded")

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it."""


def read_settings(
    config: Path | None, assignments: Sequence[str], flags: Mapping[str, str | None], *, quiet: bool = False
) -> None:
    """Read all settings once and set up logging. `assignments` are texts of the form `name=value`.

    `quiet`: the log keeps to warnings unless its level was set, since the command shows its results itself.

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


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end. Errors are left to `main`; Ctrl-C ends the process quietly with `INTERRUPTED`."""
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
