"""Folders for work in progress.

The process that works in a folder locks it. The kernel releases the lock with the process's last descriptor,
so sweeping can distinguish the folders of killed processes from those in use.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path

from veriframe.adapters.local_store.copying import opened_folder
from veriframe.disk import try_lock
from veriframe.threads import run_briefly

PREFIX = ".veriframe-copy-"


@asynccontextmanager
async def staged(parent: Path) -> AsyncIterator[Path]:
    """`staging`, created and deleted in threads."""
    stack = ExitStack()
    try:
        yield await run_briefly(stack.enter_context, staging(parent))
    finally:
        await run_briefly(stack.close)


@contextmanager
def staging(parent: Path) -> Iterator[Path]:
    """Creates a folder in `parent` and deletes it afterwards. First deletes what killed processes left."""
    sweep(parent)
    with ExitStack() as stack:
        while True:
            folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
            # Another process may sweep the folder away before it is locked. Then create a new one.
            try:
                descriptor = stack.enter_context(opened_folder(folder))
            except FileNotFoundError:
                continue
            if try_lock(descriptor) and _is_still(folder, descriptor):
                break
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        yield folder


def sweep(parent: Path) -> None:
    """Deletes the folders in progress that no process has locked. What cannot be deleted stays."""
    with os.scandir(parent) as entries:
        left = [Path(entry.path) for entry in entries if entry.name.startswith(PREFIX)]
    for folder in left:
        with suppress(OSError), opened_folder(folder) as descriptor:
            if try_lock(descriptor):
                shutil.rmtree(folder, ignore_errors=True)


def _is_still(folder: Path, descriptor: int) -> bool:
    try:
        return folder.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False
