"""The system-call filter: what a renderer never needs is refused, at every level that has a filter."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache

import pyseccomp as seccomp

_DENIED = (
    # namespaces and mounts: the ways to take walls down
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
    # keys and time
    "add_key", "request_key", "keyctl", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex",
    "sethostname", "setdomainname",
    # what others on this machine do: files and folders watched, mounts and cached pages listed
    "inotify_init", "inotify_init1", "inotify_add_watch", "fanotify_mark", "cachestat",
    # memory that belongs to no process, so that no watcher of processes counts it
    "memfd_create", "memfd_secret", "shmget", "msgget", "semget", "mq_open",
    # access lists: each new file gets a copy of its folder's, up to 128 KiB that no control group counts
    "setxattr", "lsetxattr", "fsetxattr",
    # sockets of any kind: a renderer speaks to nobody
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
"""By number, which is the same on all machines: libseccomp of Debian 12 has no name for them."""

_FCHMODAT2, _REMOVEXATTRAT, _FILE_SETATTR = 452, 466, 469

_SET_ID_BITS = (0o4000, 0o2000)
"""Whoever starts a file with these becomes its user, or its group."""
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
"""Calls that take a file's mode, and at which position."""
_OPENINGS = {"open": 1, "openat": 2}
"""The position of the flags; the mode follows, and means something only where a file is made."""
_MAKING = (0o100, 0o20000000)
"""O_CREAT, and the bit of O_TMPFILE that it does not share with O_DIRECTORY."""

_FIRST_IS_A_PROCESS = (
    *("sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr"),
    *("migrate_pages", "move_pages"),
)
"""0 stands for the caller. Another thread of its own is refused, too: nobody here can tell it from others."""
_WHOSE = {"setpriority": (1, 2), "ioprio_set": (2, 3)}
"""PRIO_PGRP and PRIO_USER, IOPRIO_WHO_PGRP and IOPRIO_WHO_USER: with 0 they mean all of the caller's."""

_METADATA: tuple[str | int, ...] = (
    *("chmod", "fchmod", "fchmodat", _FCHMODAT2, "chown", "fchown", "lchown", "fchownat"),
    *("utime", "utimes", "futimesat", "utimensat"),
    *("removexattr", "lremovexattr", "fremovexattr", _REMOVEXATTRAT, _FILE_SETATTR),
)
_FILE_FLAGS = (0x40086602, 0x401C5820)
"""FS_IOC_SETFLAGS and FS_IOC_FSSETXATTR."""

_NO_PIPED_PAGES = ("splice", "tee", "vmsplice", "sendfile")
"""Pages in a pipe belong to no process. EINVAL says "not for these files", and the caller copies instead."""

_F_NOTIFY = 1026
_LOCKS = (6, 7, 37, 38)
"""F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW: no control group counts a lock's memory."""
_F_SETLEASE = 1024
_RWF_NOWAIT = 8
"""A read that fails where a page is not in memory tells what others on this machine have read."""
_MAP_KIND = 0x2F
_MAP_SHARED_ANONYMOUS = 0x21
"""Such memory stays when its pages are taken out of the process, where a watcher does not see it any more."""

_CLONE_NEWUSER = 0x10000000
_NEW_NAMESPACES = 0x7E020080 | _CLONE_NEWUSER
_TERMINAL_INJECTIONS = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX: they put characters into the terminal that started us."""
_LOW_32_BITS = 0xFFFFFFFF


def build_filter(*, keep_metadata: bool = False) -> seccomp.SyscallFilter:
    """The filter, not yet loaded. Denied calls fail with EPERM, `clone3` and `openat2` with ENOSYS.

    libc takes ENOSYS as "use the older call". `keep_metadata`: refuse all changes of files' rights, owners,
    times and attributes, too. Where Landlock alone guards the host's files, nothing else refuses them.
    """
    rules = seccomp.SyscallFilter(seccomp.ALLOW)
    denied: list[str | int] = [*_DENIED, *_NEW_DENIED.values()]
    for name in denied:
        _deny(rules, name)
    for name in _NO_PIPED_PAGES:
        _deny(rules, name, code=errno.EINVAL)
    for command in (_F_NOTIFY, _F_SETLEASE):
        _deny(rules, "fcntl", _is(1, command))
    for command in _LOCKS:
        _deny(rules, "fcntl", _is(1, command), code=errno.ENOLCK)
    _deny(rules, "preadv2", _has(5, _RWF_NOWAIT), code=errno.EOPNOTSUPP)
    rules.add_rule(
        seccomp.ERRNO(errno.EPERM),
        "mmap",
        seccomp.Arg(3, seccomp.MASKED_EQ, _MAP_KIND, _MAP_SHARED_ANONYMOUS),
    )
    # These hide flags and modes behind a pointer, where a filter cannot look.
    for name in ("clone3", "openat2"):
        rules.add_rule(seccomp.ERRNO(errno.ENOSYS), name)
    for bit in (1 << n for n in range(32) if _NEW_NAMESPACES & (1 << n)):
        _deny(rules, "clone", _has(0, bit))
    for request in _TERMINAL_INJECTIONS:
        _deny(rules, "ioctl", _is(1, request))
    _deny_set_id_files(rules)
    _deny_other_processes(rules)
    if keep_metadata:
        for change in _METADATA:
            _deny(rules, change)
        for request in _FILE_FLAGS:
            _deny(rules, "ioctl", _is(1, request))
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
        # A name that this kernel or architecture does not have cannot be called either.
        return


@cache
def compiled(*, keep_metadata: bool = False) -> bytes:
    """The filter as BPF, the same for every run of this process."""
    descriptor = os.memfd_create("filter")
    with os.fdopen(descriptor, "w+b") as file:
        build_filter(keep_metadata=keep_metadata).export_bpf(file)
        file.seek(0)
        return file.read()


@contextmanager
def as_descriptor(*, keep_metadata: bool = False) -> Iterator[int]:
    """The compiled filter behind an inheritable file descriptor, for `bwrap --seccomp`."""
    descriptor = os.memfd_create("filter")
    try:
        os.write(descriptor, compiled(keep_metadata=keep_metadata))
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)
