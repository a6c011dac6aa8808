"""Restricts its own process, then executes the untrusted program. Standard library only.

Run as `python -I -S launcher.py PLAN -- PROGRAM …`, with PLAN as JSON: see `LaunchPlan`. Neither this
process nor its children can undo a restriction. Right before it executes the program it writes
`{"started": true}` to the status descriptor, which the program does not inherit.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import stat
import struct
import sys
from typing import TypedDict

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 22, 36, 38
_SECCOMP_MODE_FILTER = 2
_BPF_INSTRUCTION_BYTES = 8
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1

EXECUTE, _WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEVICE = 1 << 14, 1 << 15
_FILE_RIGHTS = EXECUTE | _WRITE_FILE | READ_FILE | _TRUNCATE | _IOCTL_DEVICE
_READING = EXECUTE | READ_FILE | READ_DIR
_MAKE_DEVICE = (1 << 6) | (1 << 11)
_ALL_TCP = 0b11
_ALL_SCOPES = 0b11

_libc = ctypes.CDLL(None, use_errno=True)


class LaunchPlan(TypedDict):
    """What to restrict. An empty or absent entry restricts nothing, except for the parent's death."""

    parent: int
    """The process id of the worker. The program is killed when the worker dies."""
    status_fd: int
    user: int | None
    readable: list[str]
    writable: list[str]
    landlock: bool
    filter_fd: int | None
    """A memory file with the compiled system-call filter."""
    environment: dict[str, str]
    folder: str
    """The program's working folder."""


def landlock_abi() -> int:
    """The kernel's Landlock version; 0 without Landlock."""
    version = _libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG)
    return max(int(version), 0)


def file_rights(abi: int) -> int:
    """All file rights of this Landlock version."""
    return (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(abi, 16)) - 1


def _checked(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def _restrict_files(readable: list[str], writable: list[str]) -> None:
    abi = landlock_abi()
    handled = file_rights(abi)
    attributes = struct.pack("=QQQ", handled, _ALL_TCP, _ALL_SCOPES)[
        : 8 if abi < 4 else 16 if abi < 6 else 24
    ]
    ruleset = _checked(
        _libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0), "Landlock"
    )
    for path in readable:
        _allow(ruleset, path, _READING & handled)
    for path in writable:
        # Creating devices and executing written files is denied.
        _allow(ruleset, path, handled & ~_MAKE_DEVICE & ~EXECUTE)
    _checked(_libc.syscall(_RESTRICT_SELF, ruleset, 0), "Landlock")
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # not every system has every folder
    if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
        rights &= _FILE_RIGHTS
    rule = struct.pack("=Qi", rights, descriptor)
    _checked(_libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0), f"Landlock on {path}")
    os.close(descriptor)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def _filter_calls(descriptor: int) -> None:
    code = os.pread(descriptor, 2**20, 0)
    program = _Program(len(code) // _BPF_INSTRUCTION_BYTES, code)
    _checked(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0), "seccomp")
    os.close(descriptor)


def _become(user: int) -> None:
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def main() -> None:
    """Restrict this process as planned and execute the program. Exit code 125 if that fails."""
    plan: LaunchPlan = json.loads(sys.argv[1])
    program = sys.argv[sys.argv.index("--") + 1 :]
    try:
        if plan["user"] is not None:
            _become(plan["user"])
        # After the change of user, which clears this setting.
        _checked(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "parent-death signal")
        if os.getppid() != plan["parent"]:
            sys.exit(125)
        # Processes started by a double fork stay below the program, where the worker counts them.
        _checked(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "child subreaper")
        os.chdir(plan["folder"])
        if plan["landlock"] or plan["filter_fd"] is not None:
            _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")
        if plan["landlock"]:
            _restrict_files(plan["readable"], plan["writable"])
        if plan["filter_fd"] is not None:
            _filter_calls(plan["filter_fd"])
        os.set_inheritable(plan["status_fd"], False)
        os.write(plan["status_fd"], b'{"started": true}\n')
        for number in (
            signal.SIGPIPE,
            signal.SIGXFSZ,
        ):  # Python ignores them, and the program would inherit that
            signal.signal(number, signal.SIG_DFL)
        os.execve(program[0], program, plan["environment"])  # noqa: S606 - no shell
    except OSError as error:
        os.write(plan["status_fd"], b'{"failed": true}\n')
        sys.stderr.write(f"The sandbox could not be built: {error}\n")
        sys.exit(125)


if __name__ == "__main__":
    main()
