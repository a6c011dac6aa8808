"""What is measured from outside while a run goes on: its processes' memory, and the size of its output."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from veriframe.adapters.blender.sandbox.limits import host_errors as machine

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
"""What the last bytes of a file are rounded up to."""

_BOOKKEEPING = 256
"""A file system writes down where a file's blocks lie in less than this part of them."""

_ROUNDS = 50

MAX_FILES = 10_000
"""Entries in an output folder; more is taken for an attack on the file system's inodes."""


@dataclass(frozen=True, slots=True)
class Usage:
    """A process tree at one moment: resident memory in bytes (shared pages count once per process).

    `threads`: of all processes together, each of which has at least one.
    """

    memory_bytes: int
    pids: tuple[int, ...]
    threads: int


def measure_tree(root: int) -> Usage:
    """The usage of `root` and all its descendants. Processes that vanish meanwhile count as nothing."""
    resident: dict[int, int] = {}
    threads: dict[int, int] = {}
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                children[int(fields[1])].append(int(entry.name))
                # One that has ended and was not fetched has none, and takes a place all the same.
                threads[int(entry.name)] = max(1, int(fields[17]))
                resident[int(entry.name)] = int(fields[21]) * PAGE_BYTES
    tree = [root]
    for pid in tree:  # it grows while it is walked
        tree += children[pid]
    pids = tuple(pid for pid in tree if pid in resident)
    return Usage(sum(resident[pid] for pid in pids), pids, sum(threads[pid] for pid in pids))


def kill_below(root: int) -> None:
    """Kill all descendants of a process that lives, also those in sessions of their own.

    They are stopped first, so that none forks away between two looks.
    """
    stopped: set[int] = set()
    for _ in range(_ROUNDS):
        found = set(measure_tree(root).pids) - stopped - {root}
        if not found:
            break
        _signal(found, signal.SIGSTOP)
        stopped |= found
    _signal(stopped, signal.SIGKILL)


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def proportional_bytes(pids: Iterable[int], *, shared: bool = True) -> int:
    """Memory of some processes, shared pages counted once. Slower: only asked where the sum is too much.

    `shared`: with the pages of files in memory that they have mapped.
    """
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name, _, rest = line.partition(":")
                if name == "Pss":
                    total += int(rest.split()[0]) * 1024
                elif name == "Pss_Shmem" and not shared:
                    total -= int(rest.split()[0]) * 1024
    return total


def exceeds(folder: Path, limit_bytes: int) -> bool:
    """Whether the folder's files take more than `limit_bytes` on disk, or are too many. Follows no link.

    A file counts as its size: what the file system rounds up, and needs to find it again, is not the
    program's. Blocks beyond its size count, and so do holes.
    True also where that cannot be measured: a folder that is locked, or lies too deep for a path. Raises
    `OSError` where this process has no descriptor left.
    """
    try:
        return _exceeds(folder, limit_bytes)
    except OSError as error:
        if error.errno in machine.NO_DESCRIPTORS:
            raise  # that is none of the program's doing
        return True


def _exceeds(folder: Path, limit_bytes: int) -> bool:
    total, files, waiting = 0, 0, [str(folder)]
    while waiting:
        # What the program itself removes meanwhile takes nothing.
        with contextlib.suppress(FileNotFoundError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                files += 1
                with contextlib.suppress(FileNotFoundError):
                    total += _taken_bytes(entry.stat(follow_symlinks=False))
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                if total > limit_bytes or files > MAX_FILES:
                    return True
    return False


def _taken_bytes(status: os.stat_result) -> int:
    blocks = status.st_blocks * 512
    if not stat.S_ISREG(status.st_mode):
        return blocks
    most = status.st_size + PAGE_BYTES + status.st_size // _BOOKKEEPING
    return blocks if blocks > most else status.st_size
