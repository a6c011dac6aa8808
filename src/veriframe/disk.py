"""What a disk promises: names that are on it for good, locks that die with their process, and whose a file is."""

from __future__ import annotations

import fcntl
import os
import pwd
from pathlib import Path

ROOT = 0


def sync_folder(folder: Path) -> None:
    """Force a folder's names to the disk: a file that was made, moved or removed in it stays so."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def try_lock(descriptor: int) -> bool:
    """Lock what is open against its other openings, until it is closed. False where one of them has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def stranger(found: os.stat_result) -> str:
    """Who owns it, where that is neither this process's user nor root; else nothing."""
    if found.st_uid in (ROOT, os.geteuid()):
        return ""
    try:
        return pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        return str(found.st_uid)


def is_writable_by_others(found: os.stat_result) -> bool:
    """Whether its mode lets its group or everybody write. Access lists show in the group's bits."""
    return bool(found.st_mode & 0o022)
