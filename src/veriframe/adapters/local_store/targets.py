"""The target of a copy: replaced in one step, and what is told if it cannot be written."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from veriframe.causes import cause_of
from veriframe.disk import sync_folder
from veriframe.errors import HostUnavailable


def replace(new: Path, target: Path, beside: Path) -> None:
    """Moves a complete file or folder to its target, and what is there to `beside`."""
    if new.is_dir() and target.is_dir() and not target.is_symlink():
        target.rename(beside / "replaced")
    elif new.is_dir():
        target.unlink(missing_ok=True)
    new.replace(target)
    sync_folder(target.parent)


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Raises `HostUnavailable` if a target cannot be written."""
    try:
        yield
    except OSError as error:
        raise HostUnavailable(
            f"{target} cannot be written: {reason(error)}. Check that its disk has space, and that its user"
            " may write there."
        ) from error


def is_full(error: OSError) -> bool:
    """Whether the disk or this user's quota is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def reason(error: OSError) -> str:
    """The cause of an error in words."""
    return "the disk is full" if is_full(error) else cause_of(error)
