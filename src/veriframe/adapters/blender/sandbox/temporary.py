"""Temporary folders that the next worker removes if theirs was killed."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from veriframe import disk
from veriframe.adapters.blender.sandbox import visible

_PREFIX = "veriframe-held-"
_NAME = re.compile(_PREFIX + r"\w+-\w+")
_GRACE_SECONDS = 60
"""A folder is created first and then locked; a younger one may belong to a worker that is creating it."""


@contextlib.contextmanager
def locked(kind: str) -> Iterator[Path]:
    """Yields a new temporary folder for this user alone, locked while the context lasts.

    `kind` is part of its name. The caller removes the folder. Raises `OSError`.
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
    """Removes this user's folders that no process has locked. Returns how many. May block for some time."""
    parent = Path(tempfile.gettempdir())
    try:
        folders = [folder for folder in parent.iterdir() if _NAME.fullmatch(folder.name)]
    except OSError:
        return 0
    return sum(map(_remove, folders))


def _remove(folder: Path) -> bool:
    # The folders of a root worker's renders belong to the sandbox user.
    owners = {os.geteuid()} | ({visible.SANDBOX_UID} if os.geteuid() == 0 else set())
    with contextlib.suppress(OSError), _opened(folder) as descriptor:
        status = os.fstat(descriptor)
        old = time.time() - status.st_ctime > _GRACE_SECONDS
        if old and status.st_uid in owners and disk.try_lock(descriptor):
            return disk.remove(folder)
    return False


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    # Follows no links and does not block on a pipe of that name.
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(folder, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
