"""Runs before anything of Blender's: gives up reading what tells of the host, then becomes the program.

Run as `python confine.py PROGRAM …`. A Python script as PROGRAM runs in this same process; any other program
takes its place. A new `/proc` still says, in each process's table of mounts, where on the host all that is
shown comes from: its user, its folders, its job. Only Landlock can take that away from a process, and what it
starts; a kernel without Landlock leaves it open. Standard library only.
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
"""From this version on, moving files between folders is forbidden where it is not allowed."""

_IN_PROC = ("cpuinfo", "meminfo", "stat", "version")
_IN_SELF = ("status", "stat", "statm", "maps", "cmdline", "comm", "environ", "auxv", "limits", "fd")
"""All of `/proc` that can still be read."""

_libc = ctypes.CDLL(None, use_errno=True)


def readable() -> list[str]:
    """What may be read: everything but most of `/proc`."""
    top = [f"/{name}" for name in os.listdir("/") if name != "proc"]  # noqa: PTH208
    return [*top, *(f"/proc/{name}" for name in _IN_PROC), *(f"/proc/self/{name}" for name in _IN_SELF)]


def hide_mounts() -> bool:
    """Give up reading everything else, for this process and what it starts. False without Landlock."""
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
    """Hide, and run what is named."""
    del sys.argv[0]
    hide_mounts()
    if sys.argv[0].endswith(".py"):
        runpy.run_path(sys.argv[0], run_name="__main__")
    else:
        os.execv(sys.argv[0], sys.argv)  # noqa: S606 - a shell is not wanted here


if __name__ == "__main__":
    main()
