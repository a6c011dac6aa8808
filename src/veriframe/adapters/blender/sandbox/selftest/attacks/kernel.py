"""Attacks on the kernel and on privileges. Standard library only."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

Decoys = Mapping[str, str]

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWUSER = 0x10000000
_NUMBERS = {
    "x86_64": {"keyctl": 250, "perf_event_open": 298, "bpf": 321, "userfaultfd": 323, "io_uring_setup": 425},
    "aarch64": {"keyctl": 219, "perf_event_open": 241, "bpf": 280, "userfaultfd": 282, "io_uring_setup": 425},
}
_PTRACE_TRACEME = 0
_PR_GET_NO_NEW_PRIVS = 39
_CAPABILITIES_V3 = 0x20080522
_USER_OBJ, _USER, _GROUP_OBJ, _MASK, _OTHER = 1, 2, 4, 16, 32
_ACL_VERSION, _NO_ID = 2, 2**32 - 1


def make_namespace(_: Decoys) -> str:
    """Create a user namespace, the first step of most escapes through the kernel."""
    child = os.fork()
    if child == 0:
        os._exit(ctypes.get_errno() if _libc.unshare(_CLONE_NEWUSER) else 0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == 0:
        return "made a user namespace"
    raise OSError(code, os.strerror(code))


def call_kernel(_: Decoys) -> str:
    """Use kernel features that a renderer never needs and that had many bugs: keys, BPF, io_uring, ptrace."""
    numbers = _NUMBERS.get(platform.machine(), {})
    reached = [name for name, number in numbers.items() if not _refused(_libc.syscall, number)]
    child = os.fork()
    if child == 0:
        os._exit(int(_refused(_libc.ptrace, _PTRACE_TRACEME)))
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
        reached.append("ptrace")
    if reached:
        return f"the kernel answered {', '.join(reached)}"
    raise PermissionError("all were refused")


def _refused(call: Callable[..., int], first: int) -> bool:
    return call(first, 0, 0, 0, 0, 0) == -1 and ctypes.get_errno() in {errno.EPERM, errno.ENOSYS}


def keep_privileges(_: Decoys) -> str:
    """Hold a capability, or be able to gain one through a set-uid program."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0)
    sets = (ctypes.c_uint32 * 6)()
    if _libc.capget(header, sets) == 0 and any(sets):
        return "holds capabilities"
    if _libc.prctl(_PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1:
        return "may gain privileges by a set-uid program"
    raise PermissionError("no capabilities, and no way to gain one")


def attach_lists(decoys: Decoys) -> str:
    """Attach an access list to a folder: each new file in it gets a copy, whose memory no limit counts."""
    users = [(_USER, os.getuid())] * 8
    whose = [(_USER_OBJ, _NO_ID), *users, *((tag, _NO_ID) for tag in (_GROUP_OBJ, _MASK, _OTHER))]
    entries = b"".join(struct.pack("<HHI", tag, 7, owner) for tag, owner in whose)
    folder = Path(decoys["out"], "with-lists")
    folder.mkdir()
    try:
        os.setxattr(folder, "system.posix_acl_default", struct.pack("<I", _ACL_VERSION) + entries)
    finally:
        folder.rmdir()
    return "attached one"


def lower_oom_score(_: Decoys) -> str:
    """Lower the score by which the kernel kills this program first when memory runs out."""
    mark = Path("/proc/self/oom_score_adj")
    mark.write_text("0")
    mark.write_text("800")
    return "lowered it"
