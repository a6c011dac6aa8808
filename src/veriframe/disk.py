"""Durable file names, complete removal of folders, and locks that end with their process."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import math
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

_MOST_FOLDERS = 10**6
"""Most entries removed in one call, so that a process that keeps making folders cannot stall it."""

LOCK_POLL_SECONDS = 0.01


def sync_folder(folder: Path) -> None:
    """Write a folder's entries to the disk, so that files made, moved or removed in it stay so."""
    with _opened(folder) as descriptor:
        os.fsync(descriptor)


def sync_file(file: Path) -> None:
    """Write a plain file's content to the disk. Does nothing for anything else."""
    if file.is_file() and not file.is_symlink():
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_new(path: Path, content: bytes) -> None:
    """Write a new file of mode 0600 and its folder, all of it or nothing, durable on return.

    Raises `FileExistsError` if anything has this name, and `OSError`.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.stem}-", dir=path.parent)  # of mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(name, path)  # unlike a rename, this never replaces a file
    finally:
        Path(name).unlink(missing_ok=True)
    sync_folder(path.parent)


def move(source: Path, target: Path) -> None:
    """Move a file to `target`, which is replaced, complete at once: over file systems by a copy beside it.

    Raises `OSError`; then `target` is as it was.
    """
    try:
        os.replace(source, target)  # noqa: PTH105 - the call that reports the other file system
        return
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    beside = target.with_name(f".{secrets.token_hex(8)}")
    try:
        shutil.copyfile(source, beside, follow_symlinks=False)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
    source.unlink()


def try_lock(descriptor: int, *, shared: bool = False) -> bool:
    """Lock an open file against its other descriptors until it is closed. False if it is locked already.

    A `shared` lock excludes only those that are not.
    """
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@asynccontextmanager
async def locked(file: Path, wait_seconds: float = math.inf) -> AsyncIterator[None]:
    """Hold a lock that excludes all other processes and tasks; makes the file. No thread waits for it.

    Raises `TimeoutError`, `OSError`.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + wait_seconds
        while not try_lock(descriptor):
            if time.monotonic() > deadline:
                raise TimeoutError(f"another process has held {file} for {wait_seconds:.0f} s")
            await asyncio.sleep(LOCK_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def remove(path: Path) -> bool:
    """Remove a file, a link or a whole folder, even if untrusted code has made it hard to remove.

    Follows no links, makes unreadable folders accessible at any depth, and never raises. Returns False if
    something is left.
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
    """Empty a folder. Subfolders are moved up here first, which avoids recursion and long paths."""
    waiting = deque(os.listdir(top))
    for _ in range(_MOST_FOLDERS):
        if not waiting:
            return
        name = waiting.popleft()
        # An entry that cannot be removed must not stop the removal of the others.
        with suppress(OSError):
            if not _unlink(top, name):
                with _unlocked(top, name) as folder:
                    waiting.extend(_move_up(folder, top))
                os.rmdir(name, dir_fd=top)


def _move_up(folder: int, top: int) -> Iterator[str]:
    """Remove a folder's files and move its subfolders to `top`. Yields their new names."""
    for inner in os.listdir(folder):
        moved = secrets.token_hex(16)
        with suppress(OSError):
            if not _unlink(folder, inner):
                # Moving a folder changes its “..” entry, so the folder itself must be writable.
                with _unlocked(folder, inner):
                    os.rename(inner, moved, src_dir_fd=folder, dst_dir_fd=top)
                yield moved


def _unlink(folder: int, name: str) -> bool:
    """Whether the name is gone now. False if it is a folder or cannot be removed."""
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


@contextmanager
def _unlocked(parent: int, name: str) -> Iterator[int]:
    """Open a folder after restoring its owner's permissions."""
    handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        with suppress(OSError):
            # `fchmod` rejects an O_PATH descriptor, and an unreadable folder has no other one.
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
