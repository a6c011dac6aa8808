"""The system-call filter of STRICT and LANDLOCK: denies all calls that a renderer never needs."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache

import pyseccomp as seccomp

_DENIED = (
    # namespaces and mounts: the ways to leave the sandbox
    "mount", "umount2", "pivot_root", "chroot", "unshare", "setns", "open_tree", "move_mount", "fsopen",
    "fsconfig", "fsmount", "fspick", "mount_setattr",
    # other processes
    "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp",
    # the kernel itself
    "bpf", "perf_event_open", "userfaultfd", "kexec_load", "kexec_file_load", "init_module", "finit_module",
    "delete_module", "create_module", "acct", "swapon", "swapoff", "reboot", "syslog", "quotactl",
    "nfsservctl", "io_uring_setup", "io_uring_enter", "io_uring_register", "fanotify_init",
    "name_to_handle_at",
    "open_by_handle_at", "lookup_dcookie", "vhangup", "iopl", "ioperm", "modify_ldt", "vm86", "vm86old",
    # calls over any number of pages, from which a killed process does not return for minutes
    "move_pages", "migrate_pages",
    # keys and time
    "add_key", "request_key", "keyctl", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex",
    "sethostname", "setdomainname",
    # monitoring of other programs: watches on files and folders, lists of mounts and cached pages
    "inotify_init", "inotify_init1", "inotify_add_watch", "fanotify_mark", "cachestat",
    # memory that belongs to no process, so that watching processes does not count it
    "memfd_create", "memfd_secret", "shmget", "msgget", "semget", "mq_open",
    # access lists: each new file gets a copy of its folder's, up to 128 KiB that no control group counts
    "setxattr", "lsetxattr", "fsetxattr",
    # sockets of any kind: a renderer needs no communication
    "socket", "socketpair", "bind", "connect", "listen", "accept", "accept4",
)  # fmt: skip

_NEW_DENIED = {
    "process_madvise": 440,
    "process_mrelease": 448,
    "statmount": 457,
    "listmount": 458,
    "setxattrat": 463,
    "open_tree_attr": 467,
    "listns": 470,
}
"""By number, which is the same on all architectures: Debian 12's libseccomp has no names for them."""

_FCHMODAT2, _REMOVEXATTRAT, _FILE_SETATTR = 452, 466, 469

_SET_ID_BITS = (0o4000, 0o2000)
"""S_ISUID and S_ISGID: a program with them runs as the file's owner or group."""
_MODES: Mapping[str | int, int] = {
    "chmod": 1,
    "fchmod": 1,
    "fchmodat": 2,
    _FCHMODAT2: 2,
    "creat": 1,
    "mknod": 1,
    "mknodat": 2,
    "mkdir": 1,
    "mkdirat": 2,
}
"""Calls that take a file's mode, and its position among the arguments."""
_OPENINGS = {"open": 1, "openat": 2}
"""The position of the flags; the mode follows, and applies only if a file is created."""
_MAKING = (0o100, 0o20000000)
"""O_CREAT, and the bit of O_TMPFILE that it does not share with O_DIRECTORY."""

_FIRST_IS_A_PROCESS = ("sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr")
"""0 means the caller. Its other threads are denied too: the filter cannot tell them from other processes."""
_WHOSE = {"setpriority": (1, 2), "ioprio_set": (2, 3)}
"""PRIO_PGRP and PRIO_USER, IOPRIO_WHO_PGRP and IOPRIO_WHO_USER: 0 means the caller's whole group or user."""

_METADATA: tuple[str | int, ...] = (
    *("chmod", "fchmod", "fchmodat", _FCHMODAT2, "chown", "fchown", "lchown", "fchownat"),
    *("utime", "utimes", "futimesat", "utimensat"),
    *("removexattr", "lremovexattr", "fremovexattr", _REMOVEXATTRAT, _FILE_SETATTR),
)
_FILE_SYSTEM_REQUESTS = (0x6600, 0x7600, 0x5800, 0x9400)
"""Types of ioctls of file systems: flags, versions, attributes, verity, btrfs. None needs write access."""
_REQUEST_TYPE = 0xFF00

_NO_PIPED_PAGES = ("splice", "tee", "vmsplice", "sendfile")
"""Pages in a pipe belong to no process. On EINVAL ("not for these files") the caller copies instead."""

_F_NOTIFY = 1026
_LOCKS = (6, 7, 37, 38)
"""F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW: control groups do not count a lock's memory."""
_F_SETLEASE = 1024
_HINTS = (1036, 1038)
"""F_SET_RW_HINT and F_SET_FILE_RW_HINT: kept with the file, which may be the worker's."""
_TIES = (1, 36)
"""PR_SET_PDEATHSIG and PR_SET_CHILD_SUBREAPER: they tie a program to its worker, and its children to it."""
_CLONE_PARENT = 0x8000
"""The child is one of the caller's parent: of the worker, and outside the tree that it measures."""
_RWF_NOWAIT = 8
"""A read that fails if a page is not in memory reveals what other programs have read."""
_MAP_KIND = 0x2F
_MAP_SHARED_ANONYMOUS = 0x21
"""Such memory stays allocated after the process has dropped its pages, and the watcher no longer sees it."""

_CLONE_NEWUSER = 0x10000000
_NEW_NAMESPACES = 0x7E020080 | _CLONE_NEWUSER
_TERMINAL_INJECTIONS = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX: they insert characters into the worker's terminal."""
_LOW_32_BITS = 0xFFFFFFFF


def build_filter(*, keep_metadata: bool = False) -> seccomp.SyscallFilter:
    """Returns the filter, not loaded. Denied calls fail with EPERM, a few with ENOSYS or ENOLCK.

    On ENOSYS, libc falls back to the older call. `keep_metadata`: also deny all changes of files' rights,
    owners, times and attributes. If Landlock alone protects the host's files, nothing else denies them.
    """
    rules = seccomp.SyscallFilter(seccomp.ALLOW)
    denied: list[str | int] = [*_DENIED, *_NEW_DENIED.values()]
    for name in denied:
        _deny(rules, name)
    for name in _NO_PIPED_PAGES:
        _deny(rules, name, code=errno.EINVAL)
    for command in (_F_NOTIFY, _F_SETLEASE, *_HINTS):
        _deny(rules, "fcntl", _is(1, command))
    for command in _LOCKS:
        _deny(rules, "fcntl", _is(1, command), code=errno.ENOLCK)
    _deny(rules, "flock", code=errno.ENOLCK)
    _deny(rules, "preadv2", _has(5, _RWF_NOWAIT), code=errno.EOPNOTSUPP)
    rules.add_rule(
        seccomp.ERRNO(errno.EPERM),
        "mmap",
        seccomp.Arg(3, seccomp.MASKED_EQ, _MAP_KIND, _MAP_SHARED_ANONYMOUS),
    )
    # The first two pass flags behind a pointer, which a filter cannot follow; the last may take minutes.
    for name in ("clone3", "openat2", "mincore"):
        rules.add_rule(seccomp.ERRNO(errno.ENOSYS), name)
    for option in _TIES:
        _deny(rules, "prctl", _is(0, option))
    for bit in (_CLONE_PARENT, *(1 << n for n in range(32) if _NEW_NAMESPACES & (1 << n))):
        _deny(rules, "clone", _has(0, bit))
    for request in _TERMINAL_INJECTIONS:
        _deny(rules, "ioctl", _is(1, request))
    _deny_set_id_files(rules)
    _deny_other_processes(rules)
    if keep_metadata:
        for change in _METADATA:
            _deny(rules, change)
        for kind in _FILE_SYSTEM_REQUESTS:
            _deny(rules, "ioctl", seccomp.Arg(1, seccomp.MASKED_EQ, _REQUEST_TYPE, kind))
    return rules


def _deny_set_id_files(rules: seccomp.SyscallFilter) -> None:
    for bit in _SET_ID_BITS:
        for name, mode in _MODES.items():
            _deny(rules, name, _has(mode, bit))
        for name, flags in _OPENINGS.items():
            for making in _MAKING:
                _deny(rules, name, _has(flags, making), _has(flags + 1, bit))


def _deny_other_processes(rules: seccomp.SyscallFilter) -> None:
    _deny(rules, "prlimit64", _is_not(0, 0), _is_not(2, 0))
    for name in _FIRST_IS_A_PROCESS:
        _deny(rules, name, _is_not(0, 0))
    for name, groups in _WHOSE.items():
        _deny(rules, name, _is_not(1, 0))
        for group in groups:
            _deny(rules, name, _is(0, group))


def _is(position: int, value: int) -> seccomp.Arg:
    return seccomp.Arg(position, seccomp.MASKED_EQ, _LOW_32_BITS, value)


def _is_not(position: int, value: int) -> seccomp.Arg:
    return seccomp.Arg(position, seccomp.NE, value)


def _has(position: int, bit: int) -> seccomp.Arg:
    return seccomp.Arg(position, seccomp.MASKED_EQ, bit, bit)


def _deny(
    rules: seccomp.SyscallFilter, name: str | int, *which: seccomp.Arg, code: int = errno.EPERM
) -> None:
    try:
        rules.add_rule(seccomp.ERRNO(code), name, *which)
    except (OSError, RuntimeError, ValueError):
        # A call that this kernel or architecture does not have needs no rule.
        return


@cache
def compiled(*, keep_metadata: bool = False) -> bytes:
    """Returns the filter as BPF, the same for every run of this process."""
    descriptor = os.memfd_create("filter")
    with os.fdopen(descriptor, "w+b") as file:
        build_filter(keep_metadata=keep_metadata).export_bpf(file)
        file.seek(0)
        return file.read()


@contextmanager
def as_descriptor(*, keep_metadata: bool = False) -> Iterator[int]:
    """Yields an inheritable file descriptor of the compiled filter, for `bwrap --seccomp`."""
    descriptor = os.memfd_create("filter")
    try:
        os.write(descriptor, compiled(keep_metadata=keep_metadata))
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)
