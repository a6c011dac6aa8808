"""Attacks on memory, processes, disk and time: each ends its run. Standard library only."""

from __future__ import annotations

import _thread
import contextlib
import ctypes
import mmap
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

Decoys = Mapping[str, str]

_libc = ctypes.CDLL(None, use_errno=True)
_STEP = 2**24
_KEPT: list[mmap.mmap] = []


def take_memory(decoys: Decoys) -> str:
    """Take memory far beyond the limit."""
    held = [b"x" * 2**24 for _ in range(int(decoys["memory_bytes"]) // 2**24)]
    time.sleep(3)  # long enough for the watcher, which measures several times a second
    return f"took {len(held) * 16} MiB"


def hide_memory(decoys: Decoys) -> str:
    """Take memory beyond the limit that no process shows: memory files, shared memory, dropped pages."""
    wanted, taken = int(decoys["memory_bytes"]), []
    for way in (_memory_file, _shared_pages, _zero_pages, _shared_segment):
        with contextlib.suppress(OSError, ValueError):
            way(wanted)
            taken.append(way.__name__.strip("_"))
            break
    if not taken:
        raise PermissionError("all ways were refused")
    time.sleep(3)
    return f"took {wanted // 2**20} MiB by {taken[0]}"


def _memory_file(size: int) -> None:
    # Small ones: each stays below the limit on one file.
    for _ in range(0, size, 2**22):
        os.write(os.memfd_create("hidden"), b"x" * 2**22)


def _shared_pages(size: int) -> None:
    _fill_and_drop(mmap.mmap(-1, size))


def _zero_pages(size: int) -> None:
    descriptor = os.open("/dev/zero", os.O_RDWR)
    _fill_and_drop(mmap.mmap(descriptor, size))


def _fill_and_drop(pages: mmap.mmap) -> None:
    # The pages stay allocated because they are shared, but the process no longer maps them.
    for start in range(0, len(pages), _STEP):
        pages[start : start + _STEP] = b"x" * _STEP
        pages.madvise(mmap.MADV_DONTNEED, start, _STEP)
    _KEPT.append(pages)


def _shared_segment(size: int) -> None:
    segment = _libc.shmget(0, ctypes.c_size_t(size), 0o1600)
    if segment < 0:
        raise OSError(ctypes.get_errno(), "shmget")
    _libc.shmat.restype = ctypes.c_void_p
    address = _libc.shmat(segment, None, 0)
    # Removed with its last user, even if this run is killed.
    _libc.shmctl(segment, 0, None)
    ctypes.memset(address, 1, size)


def fork_much(decoys: Decoys) -> str:
    """Start more processes than allowed."""
    for number in range(int(decoys["processes"])):
        try:
            if os.fork() == 0:
                time.sleep(4)
                os._exit(0)
        except OSError as refusal:
            raise PermissionError(f"only {number} processes: {refusal}") from refusal
    time.sleep(3)
    return f"started {decoys['processes']} processes"


def start_threads(decoys: Decoys) -> str:
    """Start more threads than allowed, in a single process."""
    for number in range(int(decoys["processes"])):
        try:
            _thread.start_new_thread(time.sleep, (4,))
        except RuntimeError as refusal:
            raise PermissionError(f"only {number} threads: {refusal}") from refusal
    time.sleep(3)
    return f"started {decoys['processes']} threads"


def fill_output(decoys: Decoys) -> str:
    """Write more than allowed, in many files, so that no limit on one file applies."""
    for number in range(int(decoys["output_bytes"]) // 2**20):
        Path(decoys["out"], str(number)).write_bytes(b"\1" * 2**20)
    time.sleep(2)
    return f"wrote {decoys['output_bytes']} bytes"


def hide_output(decoys: Decoys) -> str:
    """Write more than allowed to files that were deleted or never had a name."""
    size, out = int(decoys["output_bytes"]) // 2**20, decoys["out"]
    for number in range(0, size, 4):
        if number % 8:
            file = os.open(out, os.O_RDWR | os.O_TMPFILE, 0o600)
        else:
            path = Path(out, f"hidden-{number}")
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            path.unlink()
        os.posix_fallocate(file, 0, 2**22)
        os.write(file, b"\1" * 2**22)
    time.sleep(2)
    return f"wrote {size} MiB"


def run_for_ever(_: Decoys) -> str:
    """Never end, and ignore SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(20)
    return "ran for 20 seconds"
