"""Who owns a file: what decides where money goes is believed only where this user or root alone wrote it."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

from veriframe.errors import SettingsError

ROOT = 0


def foreign_owner(found: os.stat_result) -> str:
    """Who owns it, where that is neither this process's user nor root; else nothing."""
    if found.st_uid in (ROOT, os.geteuid()):
        return ""
    try:
        return pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        return str(found.st_uid)


def read_trusted(path: Path) -> str:
    """The text of a settings file that only this user or root can have written.

    A link is followed, and its target judged. Raises `SettingsError`, `OSError`, `UnicodeDecodeError`.
    """
    with open(path, encoding="utf-8", opener=_without_waiting) as file:
        found = os.fstat(file.fileno())
        if owner := foreign_owner(found):
            raise SettingsError(
                f"The settings file {path} belongs to the user {owner}. If you trust what it says, make it"
                " yours by chown; or name another by --config."
            )
        if _is_open(found):
            raise SettingsError(f"Others may write the settings file {path}. Close it: chmod go-w {path}")
        os.set_blocking(file.fileno(), True)
        return file.read()


def judge_place(path: Path) -> None:
    """Refuse a settings file that others could have laid there, be it by a link to one of ours.

    In a sticky folder, such as /tmp, nobody moves what is another's. Raises `SettingsError`, `OSError`.
    """
    folder, entry = path.absolute().parent, path.lstat()
    found = folder.stat()
    by_name = f"name the file by --config {path.absolute()}"
    if owner := foreign_owner(found):
        raise SettingsError(
            f"The settings file {path} lies in a folder that belongs to the user {owner}. If it is meant,"
            f" {by_name}."
        )
    if _is_open(found) and not found.st_mode & stat.S_ISVTX:
        raise SettingsError(
            f"The settings file {path} lies in a folder that others may write. Close it: chmod go-w {folder};"
            f" or {by_name}."
        )
    if stat.S_ISLNK(entry.st_mode) and (owner := foreign_owner(entry)):
        raise SettingsError(
            f"The settings file {path} is a link of the user {owner}. Remove it; or, if it is meant,"
            f" {by_name}."
        )


def judge_home(home: Path) -> None:
    """Refuse a home in which others could lay what the program believes. Raises `SettingsError`."""
    try:
        found = home.stat()
    except OSError:
        return  # It is made with mode 0700, or `doctor` says what is wrong.
    if owner := foreign_owner(found):
        raise SettingsError(
            f"The home folder {home} belongs to the user {owner}. Act as that user, or set VERIFRAME_HOME to"
            " a folder of your own."
        )
    if _is_open(found):
        raise SettingsError(
            f"Others may write the home folder {home}. Close it: chmod go-w {home}; or set VERIFRAME_HOME to"
            " a new folder within it."
        )


def _is_open(found: os.stat_result) -> bool:
    """Whether its group or everybody may write it. Access lists show in the group's bits."""
    return bool(found.st_mode & 0o022)


def _without_waiting(name: str, flags: int) -> int:
    # A pipe that nobody fills would keep us waiting.
    return os.open(name, flags | os.O_NONBLOCK)
