"""Measures a run from outside: its processes' memory, and the size of its output."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from veriframe.adapters.blender.sandbox.limits import host_errors

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
"""A file's size on disk is rounded up to this."""

_BOOKKEEPING = 256
"""A file system needs less than this fraction (1/256) of a file's size to record where its blocks are."""

_ROUNDS, _EMPTY_ROUNDS = 50, 5

MAX_FILES = 20_000
"""Entries in an output folder; more count as an attack on the file system's inodes. Far more than the frames
that one render may leave, each with temporary files."""


@dataclass(frozen=True, slots=True)
class Usage:
    """A process tree at one moment: resident memory in bytes (shared pages count once per process).

    `threads` is the sum over all processes; each has at least one. `ticks` is the processor time that they
    have used, in clock ticks, with that of their children that have ended.
    """

    memory_bytes: int
    pids: tuple[int, ...]
    threads: int
    ticks: int


def measure_tree(root: int) -> Usage:
    """Returns the usage of `root` and all its descendants. Ignores processes that end meanwhile."""
    resident: dict[int, int] = {}
    threads: dict[int, int] = {}
    ticks: dict[int, int] = {}
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                fields = _read_stat(entry)
                children[int(fields[1])].append(int(entry.name))
                # A zombie has no threads, but still counts against the limit.
                threads[int(entry.name)] = max(1, int(fields[17]))
                ticks[int(entry.name)] = sum(map(int, fields[11:15]))
                if fields[0] == b"Z" and int(fields[17]) > 1:
                    fields = _read_stat(_living(entry))
                resident[int(entry.name)] = int(fields[21]) * PAGE_BYTES
    tree = [root]
    for pid in tree:  # the list grows during the loop
        tree += children[pid]
    pids = tuple(pid for pid in tree if pid in resident)
    used = (sum(counted[pid] for pid in pids) for counted in (resident, threads, ticks))
    memory_bytes, all_threads, all_ticks = used
    return Usage(memory_bytes, pids, all_threads, all_ticks)


def _read_stat(process: Path) -> list[bytes]:
    """Returns the fields after the name, which the program chooses: any bytes, brackets included."""
    return (process / "stat").read_bytes().rpartition(b")")[2].split()


def _living(process: Path) -> Path:
    """Returns a living thread: only there shows the memory of a process whose first thread has ended."""
    for thread in (process / "task").iterdir():
        with contextlib.suppress(OSError):
            if _read_stat(thread)[0] not in {b"Z", b"X"}:
                return thread
    return process


def kill_below(root: int) -> None:
    """Kills all descendants of a living process, also those in sessions of their own."""
    signal_all(stop_below(root), signal.SIGKILL)


def stop_below(root: int) -> set[int]:
    """Stops all descendants of a living process, so that none can fork between two measurements.

    Returns their process ids.
    """
    stopped: set[int] = set()
    empty = 0
    for _ in range(_ROUNDS):
        found = set(measure_tree(root).pids) - stopped - {root}
        # A chain of short-lived processes can be between two of them during one measurement.
        empty = 0 if found else empty + 1
        if empty == _EMPTY_ROUNDS:
            break
        signal_all(found, signal.SIGSTOP)
        stopped |= found
    return stopped


def signal_all(pids: Iterable[int], number: signal.Signals) -> None:
    """Sends a signal to those processes that still live."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def proportional_bytes(pids: Iterable[int], *, shared: bool = True) -> int:
    """Returns the memory of some processes, with shared pages counted once.

    Slower than `measure_tree`, so it is used only if that sum is over the limit. `shared`: include the mapped
    pages of files in memory.
    """
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError):
            process = Path(f"/proc/{pid}")
            if _read_stat(process)[0] == b"Z":
                process = _living(process)
            for line in (process / "smaps_rollup").read_text().splitlines():
                name, _, rest = line.partition(":")
                if name == "Pss":
                    total += int(rest.split()[0]) * 1024
                elif name == "Pss_Shmem" and not shared:
                    total -= int(rest.split()[0]) * 1024
    return total


def exceeds(folder: Path, limit_bytes: int) -> bool:
    """Returns whether the folder's files take more than `limit_bytes` or are too many. Follows no links.

    A file counts with its size, holes included; the file system's rounding and metadata do not count, but
    blocks allocated beyond the size do. Also True if it cannot be measured: a folder without read permission,
    or too deep for a path. Raises `OSError` if this process has no file descriptors left.
    """
    try:
        return _exceeds(folder, limit_bytes)
    except OSError as error:
        if error.errno in host_errors.NO_DESCRIPTORS:
            raise  # not caused by the program
        return True


def _exceeds(folder: Path, limit_bytes: int) -> bool:
    total, files, waiting = 0, 0, [str(folder)]
    while waiting:
        # The program may remove files meanwhile; these do not count.
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
