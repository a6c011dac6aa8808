"""Checks of file ownership: settings are trusted only if no one but this user or root can write them."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

from veriframe.errors import SettingsError

ROOT = 0


def foreign_owner(found: os.stat_result) -> str:
    """The owner's name if it is neither this process's user nor root, else an empty text."""
    if found.st_uid in (ROOT, os.geteuid()):
        return ""
    try:
        return pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        return str(found.st_uid)


def read_trusted(path: Path) -> str:
    """Read a settings file that only this user or root can have written.

    Follows a link and checks its target; /dev/null counts as an empty file. Raises `SettingsError`,
    `OSError`, `UnicodeDecodeError`.
    """
    if str(path) == os.devnull:
        return ""
    with open(path, encoding="utf-8", opener=_without_waiting) as file:
        found = os.fstat(file.fileno())
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISFIFO(found.st_mode)):
            raise SettingsError(f"{path} is not a file. Pass a settings file with --config.")
        if owner := foreign_owner(found):
            raise SettingsError(
                f"The settings file {path} belongs to the user {owner}. If you trust its content,"
                " take ownership with chown, or pass another file with --config."
            )
        if _is_open(found):
            raise SettingsError(f"Others may write the settings file {path}. Run chmod go-w {path}")
        os.set_blocking(file.fileno(), True)
        return file.read()


def judge_place(path: Path) -> None:
    """Refuse a settings file that others could have put there, for instance as a link to one of ours.

    In a sticky folder, such as /tmp, no one can move another user's file. Raises `SettingsError`, `OSError`.
    """
    folder, entry = path.absolute().parent, path.lstat()
    found = folder.stat()
    by_name = f"pass it with --config {path.absolute()}"
    if owner := foreign_owner(found):
        raise SettingsError(
            f"The settings file {path} is in a folder that belongs to the user {owner}. To use it, {by_name}."
        )
    if _is_open(found) and not found.st_mode & stat.S_ISVTX:
        raise SettingsError(
            f"The settings file {path} is in a folder that others may write. Run chmod go-w {folder},"
            f" or {by_name}."
        )
    if stat.S_ISLNK(entry.st_mode) and (owner := foreign_owner(entry)):
        raise SettingsError(
            f"The settings file {path} is a link that belongs to the user {owner}. Remove it, or {by_name}."
        )


def judge_home(home: Path) -> None:
    """Raise `SettingsError` for a home folder in which others could put files that the program trusts."""
    try:
        found = home.stat()
    except OSError:
        return  # It will be created with mode 0700, or `doctor` reports what is wrong.
    if not stat.S_ISDIR(found.st_mode):
        raise SettingsError(f"The home {home} is not a folder. Set VERIFRAME_HOME to a folder of your own.")
    if owner := foreign_owner(found):
        raise SettingsError(
            f"The home folder {home} belongs to the user {owner}. Run as that user, or set VERIFRAME_HOME to"
            " a folder of your own."
        )
    if _is_open(found):
        raise SettingsError(
            f"Others may write the home folder {home}. Run chmod go-w {home}, or set VERIFRAME_HOME to"
            " a new folder within it."
        )


def _is_open(found: os.stat_result) -> bool:
    """Whether its group or everyone may write it. Access control lists show in the group's bits."""
    return bool(found.st_mode & 0o022)


def _without_waiting(name: str, flags: int) -> int:
    # Opening a pipe that has no writer would block.
    return os.open(name, flags | os.O_NONBLOCK)
