"""What is being fetched is kept beside its target, until it is complete and is moved there in one step.

The file or folder is named after the CID, so that a later attempt finds it, checks what is there, and
requests only the rest: it is itself the only state. The kernel's lock on it keeps other processes off, and is
released when a process dies.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from veriframe.causes import cause_of
from veriframe.disk import remove, try_lock
from veriframe.errors import HostUnavailable, JobRejected
from veriframe.model.content.cid import Cid
from veriframe.ports.store import partial_name
from veriframe.threads import run_uninterrupted

PREFIX = partial_name("")
REPLACED_PREFIX = ".veriframe-replaced-"

_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC
_LOCK_POLL_SECONDS = 0.1


@asynccontextmanager
async def staged(cid: Cid, parent: Path, *, is_folder: bool) -> AsyncIterator[Path]:
    """The file or folder for a CID in `parent`, for exclusive use: waits while another has it.

    It is removed if the content is refused for good, and otherwise stays for a later attempt. Raises
    `HostUnavailable`.
    """
    path = parent / partial_name(str(cid))
    descriptor = await _locked(path, is_folder=is_folder)
    try:
        try:
            yield path
        except JobRejected:
            await run_uninterrupted(remove, path)
            raise
    finally:
        os.close(descriptor)


def place(path: Path, target: Path) -> None:
    """Moves a file or folder to its target in the same parent, in one step, synced, over what is there.

    Raises `HostUnavailable`, also for a file if there is a folder.
    """
    replaced = target.with_name(f"{REPLACED_PREFIX}{path.name.removeprefix(PREFIX)}")
    with writing(target):
        parent = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # Before the move: a power cut must not leave files without content.
            _sync(path, parent)
            if path.is_dir() and target.is_dir() and not target.is_symlink():
                remove(replaced)
                target.rename(replaced)
            elif path.is_dir():
                target.unlink(missing_ok=True)
            path.replace(target)
            os.fsync(parent)
        finally:
            os.close(parent)
    remove(replaced)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raises `HostUnavailable` if a file cannot be written."""
    try:
        yield
    except OSError as error:
        raise HostUnavailable(
            f"{path} cannot be written: {cause_of(error)}. Check that its disk has room, and that"
            " this user may write there."
        ) from error


async def _locked(path: Path, *, is_folder: bool) -> int:
    """Returns a locked descriptor of `path`: waits while another has it."""
    while True:
        with writing(path):
            descriptor = _opened(path, is_folder=is_folder)
        with suppress(FileNotFoundError):
            if try_lock(descriptor) and os.stat(path).st_ino == os.fstat(descriptor).st_ino:  # noqa: PTH116 - quick
                return descriptor
        # Another task or process fetches the same content to this place, or has just finished.
        os.close(descriptor)
        await asyncio.sleep(_LOCK_POLL_SECONDS)


def _opened(path: Path, *, is_folder: bool) -> int:
    if not is_folder:
        return os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o666)
    while True:
        path.mkdir(exist_ok=True)
        # Its last user may be moving it away.
        with suppress(FileNotFoundError):
            return os.open(path, os.O_RDONLY | os.O_DIRECTORY | _FLAGS)


def _sync(path: Path, parent: int) -> None:
    """Syncs a file, or the whole file system of a folder: once, instead of once for each of its files."""
    if not path.is_dir():
        descriptor = os.open(path, os.O_RDONLY | _FLAGS)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    elif ctypes.CDLL(None, use_errno=True).syncfs(parent):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
