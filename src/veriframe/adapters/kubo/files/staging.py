"""The folder beside a target in which a whole folder gathers, until it is moved to the target at once.

It is named after the CID, so that whoever tries again finds it; the kernel's lock on it keeps others off, and
lets go when a process dies.
"""

from __future__ import annotations

import ctypes
import os
import shutil
from asyncio import to_thread
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from veriframe.adapters.kubo.files.partial import lock, writing
from veriframe.errors import JobRejected
from veriframe.model.content.cid import Cid

PREFIX = ".veriframe-folder-"
REPLACED_PREFIX = ".veriframe-replaced-"


@asynccontextmanager
async def staged(cid: Cid, parent: Path) -> AsyncIterator[Path]:
    """The folder for a CID in `parent`, for this work alone: waits while another has it.

    It is removed where the content is refused for good, and stays where a later try can go on with it.
    """
    path = parent / f"{PREFIX}{cid}"
    descriptor = await lock(path, lambda: _open(path))
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


def _open(path: Path) -> int:
    """The folder at `path`, made where it is not there; whoever had it may be moving it away."""
    while True:
        path.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):
            return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _sync_disk(descriptor: int) -> None:
    """Force all of a file system to its disk: once, where thousands of files would each wait for it."""
    if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
