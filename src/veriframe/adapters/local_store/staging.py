"""Folders for work in progress, and a lock between processes.

A folder in progress is locked by the process that works in it, so that what a killed process left can be
told from what a living one still needs: the kernel lets go of the lock with its last descriptor.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from veriframe.adapters.local_store.copying import opened_folder
from veriframe.disk import try_lock

PREFIX = ".veriframe-copy-"

_LOOK_SECONDS = 0.01


@contextmanager
def staging(parent: Path) -> Iterator[Path]:
    """A new folder in `parent` for this work alone, gone afterwards. First, sweeps what the dead left."""
    sweep(parent)
    with ExitStack() as stack:
        while True:
            folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
            # Another's sweep may come between making and locking: then it has it, and a new one is made.
            try:
                descriptor = stack.enter_context(opened_folder(folder))
            except FileNotFoundError:
                continue
            if try_lock(descriptor) and _is_still(folder, descriptor):
                break
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        yield folder


def sweep(parent: Path) -> None:
    """Remove the folders in progress that nobody has locked. What cannot be removed stays."""
    with os.scandir(parent) as entries:
        left = [Path(entry.path) for entry in entries if entry.name.startswith(PREFIX)]
    for folder in left:
        with suppress(OSError), opened_folder(folder) as descriptor:
            if try_lock(descriptor):
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def locked(file: Path, wait_seconds: float) -> Iterator[None]:
    """Hold a lock that is one among all processes and threads. Raises `TimeoutError`."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + wait_seconds
        while not try_lock(descriptor):
            if time.monotonic() > deadline:
                raise TimeoutError(f"another process has held {file} for {wait_seconds:.0f} s")
            time.sleep(_LOOK_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _is_still(folder: Path, descriptor: int) -> bool:
    try:
        return folder.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False
