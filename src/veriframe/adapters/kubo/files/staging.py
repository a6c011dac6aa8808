"""Staging of a folder beside its target, until it is complete and is moved to the target in one step.

It is named after the CID, so that a later attempt finds it. The kernel's lock on it keeps other processes
off, and is released when a process dies.
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
    """The staging folder for a CID in `parent`, for exclusive use: waits while another has it.

    It is removed if the content is refused for good, and otherwise stays for a later attempt.
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
    """Moves a folder to its target in the same parent, in one step, synced, replacing what is there."""
    with writing(target):
        parent = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # Before the move: a power cut must not leave files without content.
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
    """Opens the folder at `path`, and creates it if missing; its last user may be moving it away."""
    while True:
        path.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):
            return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _sync_disk(descriptor: int) -> None:
    """Syncs a whole file system to its disk: once, instead of once for each of thousands of files."""
    if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
