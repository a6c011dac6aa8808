"""Tells an error: one sentence on stderr, and the exit code that it means."""

from __future__ import annotations

from veriframe.cli.display import show
from veriframe.errors import (
    JobError,
    MoveRefused,
    OutputGone,
    SettingsError,
    Unavailable,
    VeriFrameError,
)

EXIT_CODES: tuple[tuple[type[VeriFrameError], int], ...] = (
    (SettingsError, 2),
    (Unavailable, 3),
    (MoveRefused, 4),
    (JobError, 5),
    (OutputGone, 141),
)


def exit_code(error: VeriFrameError) -> int:
    """The exit code of a command that ends with this error."""
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), 1)


def say(error: VeriFrameError, about: str = "") -> None:
    """Print an error as one sentence on stderr, with its code, and what it is `about` unless it says so.

    Says nothing if nobody reads the output: whoever has left does not wait for a word.
    """
    if isinstance(error, OutputGone):
        return
    code = f" [{error.code}]" if isinstance(error, JobError) else ""
    is_clear = about.casefold() in str(error).casefold()
    subject = "" if is_clear else f" {show.clean(about)}:"
    show.err.print(f"veriframe{code}:{subject} {error}", style="red", markup=False)
