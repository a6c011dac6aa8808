"""Reads the password of a keystore from the terminal, a file or an open descriptor.

Never from the command line or the environment, because other processes can read both.
"""

from __future__ import annotations

import getpass
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from veriframe.causes import cause_of
from veriframe.cli import context
from veriframe.errors import SettingsError
from veriframe.model.quantities import format_size

if TYPE_CHECKING:
    from veriframe.wiring.keys import Key

PASSWORD_BYTES = 4096
"""Longest password."""
SHORTEST_NEW = 8
"""Fewest characters of a new password."""

PasswordFile = Annotated[
    Path | None,
    typer.Option(help="A file with the password, mode 0600; by default the command prompts for it."),
]
PasswordDescriptor = Annotated[
    int | None, typer.Option(min=0, help="A descriptor to read the password from, such as 0 for a pipe.")
]


def unlock(keystore: Path, file: Path | None = None, descriptor: int | None = None) -> Key:
    """Unlock a keystore with the password that the operator provides, and protect the process's memory.

    Raises `SettingsError`, `HostUnavailable`.
    """
    from veriframe.wiring import keys  # noqa: PLC0415 - half a second

    return keys.unlock(keystore, lambda: given(f"Password of {keystore}", file, descriptor))


def given(question: str, file: Path | None, descriptor: int | None, *, new: bool = False) -> bytes:
    """Read the password. A `new` one must not be too short, and a terminal prompts for it twice.

    Without `file` and `descriptor`, the setting password_file is used, then the terminal.

    Raises `SettingsError`.
    """
    if file is not None and descriptor is not None:
        raise SettingsError("Pass either --password-file or --password-fd, not both.")
    file = file or (context.current().settings.password_file if descriptor is None else None)
    if descriptor is not None:
        password = _from_descriptor(descriptor)
    elif file is not None:
        password = _from_file(file.expanduser())
    else:
        password = _from_terminal(question, twice=new)
    if not password:
        raise SettingsError("The password is empty.")
    if new and len(password) < SHORTEST_NEW:
        raise SettingsError(f"The password is too short: use at least {SHORTEST_NEW} characters.")
    return password


def _from_file(path: Path) -> bytes:
    from veriframe.wiring import keys  # noqa: PLC0415 - half a second

    return _line(keys.read_private(path, "password file", PASSWORD_BYTES))


def _from_descriptor(descriptor: int) -> bytes:
    if descriptor in (1, 2) or os.isatty(descriptor):
        raise SettingsError(f"Descriptor {descriptor} cannot give a password: use a pipe or a file.")
    try:
        # Closed afterwards, so that no process started later inherits it.
        with os.fdopen(descriptor, "rb", closefd=descriptor != 0) as source:
            content = source.read(PASSWORD_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"Descriptor {descriptor} cannot be read: {cause_of(error)}.") from None
    if len(content) > PASSWORD_BYTES:
        raise SettingsError(
            f"Descriptor {descriptor} has more than {format_size(PASSWORD_BYTES)}: not a password."
        )
    return _line(content)


def _from_terminal(question: str, *, twice: bool) -> bytes:
    if not sys.stdin.isatty():
        raise SettingsError(
            "There is no terminal to ask for the password. Use --password-file or --password-fd."
        )
    password = _ask(question)
    if twice and _ask("Repeat it") != password:
        raise SettingsError("The two passwords differ.")
    return password


def _ask(question: str) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(f"{question}: ").encode("utf-8", "surrogateescape")
        except getpass.GetPassWarning:
            raise SettingsError("This terminal would show the password. Use --password-file.") from None


def _line(content: bytes) -> bytes:
    # Editors and `echo` add a newline that is not part of the password.
    return content.removesuffix(b"\n").removesuffix(b"\r")
