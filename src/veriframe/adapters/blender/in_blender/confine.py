"""Runs before Blender: drops the right to read what reveals the host, then executes the program.

Run as `python confine.py PROGRAM …`. A Python script as PROGRAM runs in this process; any other program
replaces it. Even a new `/proc` lists, in each process's mount table, the host paths of all mounts, which
reveal the user, the folders and the job. Only Landlock can withdraw that from a process and its children; on
a kernel without Landlock it stays readable. Standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import runpy
import stat
import struct
import sys

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_READ_FILE, _REFER = 1 << 2, 1 << 13
_REFER_SINCE = 2
"""From this version on, moving files between folders is denied unless a rule allows it."""

_IN_PROC = ("cpuinfo", "meminfo", "stat", "version")
_IN_SELF = ("status", "stat", "statm", "maps", "cmdline", "comm", "environ", "auxv", "limits", "fd")
"""The files of `/proc/self` that stay readable; `_IN_PROC` lists those of `/proc`."""

_libc = ctypes.CDLL(None, use_errno=True)


def readable() -> list[str]:
    """The paths that may be read: everything except most of `/proc`."""
    top = [f"/{name}" for name in os.listdir("/") if name != "proc"]  # noqa: PTH208
    return [*top, *(f"/proc/{name}" for name in _IN_PROC), *(f"/proc/self/{name}" for name in _IN_SELF)]


def hide_mounts() -> bool:
    """Deny reading of everything else, for this process and its children. Returns False without Landlock."""
    version = _libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG)
    if version <= 0:
        return False
    rights = _READ_FILE | (_REFER if version >= _REFER_SINCE else 0)
    ruleset = _libc.syscall(_CREATE_RULESET, struct.pack("=Q", rights), ctypes.c_size_t(8), 0)
    for path in readable():
        with contextlib.suppress(OSError):
            _allow(ruleset, path, rights)
    hidden = _libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0
    os.close(ruleset)
    return bool(hidden)


def _allow(ruleset: int, path: str, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights = _READ_FILE
        _libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, descriptor), 0)
    finally:
        os.close(descriptor)


def main() -> None:
    """Hide the mount tables and run the program."""
    del sys.argv[0]
    hide_mounts()
    if sys.argv[0].endswith(".py"):
        runpy.run_path(sys.argv[0], run_name="__main__")
    else:
        os.execv(sys.argv[0], sys.argv)  # noqa: S606 - no shell


if __name__ == "__main__":
    main()
