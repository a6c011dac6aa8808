"""The folder beside a target in which a whole folder gathers, until it is moved to the target at once.

It is named after the CID, so that whoever tries again finds it; the kernel's lock on it keeps others off, and
lets go when a process dies.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import shutil
from asyncio import to_thread
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from veriframe.adapters.kubo.download import writing
from veriframe.errors import JobRejected
from veriframe.model.cid import Cid

PREFIX = ".veriframe-folder-"
REPLACED_PREFIX = ".veriframe-replaced-"

_LOOK_SECONDS = 0.1


@asynccontextmanager
async def staged(cid: Cid, parent: Path) -> AsyncIterator[Path]:
    """The folder for a CID in `parent`, for this work alone: waits while another has it.

    It is removed where the content is refused for good, and stays where a later try can go on with it.
    """
    path = parent / f"{PREFIX}{cid}"
    descriptor = await _lock(path)
    try:
        try:
            yield path
        except JobRejected:
            await to_thread(shutil.rmtree, path, ignore_errors=True)
            raise
    finally:
        os.close(descriptor)


def place_folder(folder: Path, target: Path) -> None:
    """Move a folder to its target beside it, in one step, safe on the disk, in place of what is there."""
    with writing(target):
        parent = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # Before the move: a power cut must not leave files in it that have no bytes yet.
            _sync_disk(parent)
            replaced = target.with_name(f"{REPLACED_PREFIX}{folder.name.removeprefix(PREFIX)}")
            shutil.rmtree(replaced, ignore_errors=True)
            if target.is_dir() and not target.is_symlink():
                target.rename(replaced)
            else:
                target.unlink(missing_ok=True)
            folder.rename(target)
            os.fsync(parent)
        finally:
            os.close(parent)
    shutil.rmtree(replaced, ignore_errors=True)


async def _lock(path: Path) -> int:
    while True:
        with writing(path):
            path.mkdir(exist_ok=True)  # noqa: ASYNC240 - quick
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.stat(path).st_ino == os.fstat(descriptor).st_ino:  # noqa: PTH116 - quick
                return descriptor
        except (BlockingIOError, FileNotFoundError):
            pass
        except BaseException:
            os.close(descriptor)
            raise
        # Another fetches the same to here, or has just finished.
        os.close(descriptor)
        await asyncio.sleep(_LOOK_SECONDS)


def _sync_disk(descriptor: int) -> None:
    """Force all of a file system to its disk: once, where thousands of files would each wait for it."""
    if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
