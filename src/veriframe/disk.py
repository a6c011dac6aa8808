"""What a disk promises: names that are on it for good or gone, and locks that die with their process."""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_MOST_FOLDERS = 10**6
"""Removed at once; whoever makes them faster than that shall not keep us."""


def sync_folder(folder: Path) -> None:
    """Force a folder's names to the disk: a file that was made, moved or removed in it stays so."""
    with _opened(folder) as descriptor:
        os.fsync(descriptor)


def try_lock(descriptor: int) -> bool:
    """Lock what is open against its other openings, until it is closed. False where one of them has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def remove(path: Path) -> bool:
    """Remove a file, a link or a folder with all below it, whatever a stranger has made of it.

    Follows no link, opens folders that were locked, however deep, and never raises. False: some of it stays.
    """
    with suppress(OSError), _opened(path.parent) as parent:
        _take_out(parent, path.name)
    return not os.path.lexists(path)


def _take_out(parent: int, name: str) -> None:
    with suppress(FileNotFoundError):
        if not _unlink(parent, name):
            with _unlocked(parent, name) as folder:
                _clear(folder)
            os.rmdir(name, dir_fd=parent)


def _clear(top: int) -> None:
    """Empty a folder. What lies deeper is first moved up here: no recursion, no long path."""
    waiting = deque(os.listdir(top))
    for _ in range(_MOST_FOLDERS):
        if not waiting:
            return
        name = waiting.popleft()
        # What cannot be removed is left, and the rest goes all the same.
        with suppress(OSError):
            if not _unlink(top, name):
                with _unlocked(top, name) as folder:
                    waiting.extend(_move_up(folder, top))
                os.rmdir(name, dir_fd=top)


def _move_up(folder: int, top: int) -> Iterator[str]:
    """Remove a folder's files, and move its folders to `top`. Their new names."""
    for inner in os.listdir(folder):
        moved = secrets.token_hex(16)
        with suppress(OSError):
            if not _unlink(folder, inner):
                # Moving a folder changes its “..”, for which it must be writable itself.
                with _unlocked(folder, inner):
                    os.rename(inner, moved, src_dir_fd=folder, dst_dir_fd=top)
                yield moved


def _unlink(folder: int, name: str) -> bool:
    """Whether the name is gone now. False: it is a folder, or cannot be removed."""
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


@contextmanager
def _unlocked(parent: int, name: str) -> Iterator[int]:
    """A folder, open, after its owner's rights were given back."""
    handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        with suppress(OSError):
            # `fchmod` does not take a handle, and what cannot be read has no other descriptor.
            os.chmod(f"/proc/self/fd/{handle}", stat.S_IRWXU)  # noqa: PTH101
        with _opened(Path(f"/proc/self/fd/{handle}")) as folder:
            yield folder
    finally:
        os.close(handle)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
