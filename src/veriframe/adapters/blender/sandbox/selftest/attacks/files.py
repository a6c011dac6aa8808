"""Attacks on files. Standard library only."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
from collections.abc import Mapping
from pathlib import Path

Decoys = Mapping[str, str]

_libc = ctypes.CDLL(None, use_errno=True)
_MS_REMOUNT_BIND = 32 | 4096
_STATMOUNT = 457


def read_secret(decoys: Decoys) -> str:
    """Read a file outside, by its path and through the roots of other processes."""
    for path in _ways(decoys, decoys["secret_file"]):
        with contextlib.suppress(OSError):
            if decoys["secret"] in Path(path).read_text():
                return f"read {path}"
    raise PermissionError("the file cannot be reached")


def read_accounts(decoys: Decoys) -> str:
    """Read the host's accounts, as "Import Text" nodes have rendered them into pictures."""
    for name in ("/etc/passwd", "/etc/shadow"):
        for path in _ways(decoys, name):
            with contextlib.suppress(OSError):
                if ":" in Path(path).read_text():
                    return f"read {path}"
    raise PermissionError("no list of accounts can be reached")


def _ways(decoys: Decoys, path: str) -> tuple[str, ...]:
    # The root and the working folder of another process are the classic ways out of a chroot.
    pids = ("1", decoys["decoy_pid"], str(os.getppid()))
    roots = (f"/proc/{pid}/{name}" for pid in pids for name in ("root", "cwd/../../../../../.."))
    return (path, *(root + path for root in roots), f"/out/../..{path}", f"/job/../../..{path}")


def write_outside(decoys: Decoys) -> str:
    """Create a file in a folder outside that every user may write to."""
    path = Path(decoys["open_folder"], "written-from-inside")
    path.write_text("x")
    return f"wrote {path}"


def write_shown(decoys: Decoys) -> str:
    """Write to a read-only folder, after trying to remount it as writable."""
    folder = Path(decoys["shown_folder"])
    _libc.mount(None, bytes(folder), None, _MS_REMOUNT_BIND, None)
    Path(folder, "written-from-inside").write_text("x")
    return f"wrote into {folder}"


def change_outside(decoys: Decoys) -> str:
    """Change times and permissions of a folder outside, which does not require opening it."""
    with contextlib.suppress(OSError):
        # To the current time: that requires only write access.
        os.utime(decoys["open_folder"])
        return "changed the times"
    Path(decoys["open_folder"]).chmod(0o777)
    return "changed the rights"


def make_set_uid(decoys: Decoys) -> str:
    """Create a set-uid program of this user, which any user of the machine could start."""
    path = Path(decoys["out"], "set-uid")
    path.touch()
    try:
        path.chmod(0o4755)
    finally:
        path.unlink()
    return "made one"


def see_mounts(decoys: Decoys) -> str:
    """Read the host's paths of all shown files, from mount tables or the sandbox's command line."""
    for pid in ("self", "thread-self", "1", str(os.getppid())):
        for name in ("mountinfo", "mounts", "mountstats"):
            with contextlib.suppress(OSError):
                if Path("/proc", pid, name).read_text():
                    return f"read /proc/{pid}/{name}"
    with contextlib.suppress(OSError):
        if (
            os.getpid() != 1
            and decoys["open_folder"].rpartition("/")[0] in Path("/proc/1/cmdline").read_text()
        ):
            return "read the command line of the sandbox"
    if _libc.syscall(_STATMOUNT, 0, 0, 0, 0) == -1 and ctypes.get_errno() not in {errno.EPERM, errno.ENOSYS}:
        return "the kernel answered statmount"
    raise PermissionError("no table of mounts can be read")


def nest_folders(decoys: Decoys) -> str:
    """Leave folders nested deeper than a path or a recursion can be, and folders without permissions."""
    out = Path(decoys["out"])
    locked = out / "locked"
    locked.mkdir()
    (locked / "file").touch()
    with contextlib.suppress(OSError):
        locked.chmod(0)
    here = os.open(out, os.O_RDONLY)
    for _ in range(int(decoys["folders"])):
        os.mkdir("d", dir_fd=here)
        here, above = os.open("d", os.O_RDONLY, dir_fd=here), here
        os.close(above)
    raise FileExistsError("left; visible only from outside")
