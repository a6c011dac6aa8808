"""Temporary folders that the next worker removes where their own was killed."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from veriframe import disk
from veriframe.adapters.blender.sandbox import visible as view

_PREFIX = "veriframe-held-"
_NAME = re.compile(_PREFIX + r"\w+-\w+")
_GRACE_SECONDS = 60
"""A folder is made first and locked then; a younger one is left to whoever makes it."""


@contextlib.contextmanager
def locked(kind: str) -> Iterator[Path]:
    """A new temporary folder, for this user alone, locked for as long as this process lives.

    `kind`: a word for its name. Removing it is left to the caller. Raises `OSError`.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{kind}-"))
    with contextlib.ExitStack() as stack:
        try:
            disk.try_lock(stack.enter_context(_opened(folder)))
        except OSError:
            folder.rmdir()
            raise
        yield folder


def sweep() -> int:
    """Remove the folders of this user's that nobody holds any more. How many. May block for some time."""
    parent = Path(tempfile.gettempdir())
    try:
        folders = [folder for folder in parent.iterdir() if _NAME.fullmatch(folder.name)]
    except OSError:
        return 0
    return sum(map(_remove, folders))


def _remove(folder: Path) -> bool:
    # The renders of a root worker own theirs.
    owners = {os.geteuid()} | ({view.SANDBOX_UID} if os.geteuid() == 0 else set())
    with contextlib.suppress(OSError), _opened(folder) as descriptor:
        status = os.fstat(descriptor)
        old = time.time() - status.st_ctime > _GRACE_SECONDS
        if old and status.st_uid in owners and disk.try_lock(descriptor):
            return disk.remove(folder)
    return False


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    # No link is followed, and nobody waits at a pipe of that name.
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(folder, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
