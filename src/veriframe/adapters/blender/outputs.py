"""Checks and copies what a program wrote to its output folder. The files are untrusted until checked.

Except for `move_out`, use this only after every process in the sandbox is dead, so that nothing changes
between check and use.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from veriframe.causes import cause_of
from veriframe.errors import Code, HostUnavailable
from veriframe.model.quantities import format_size
from veriframe.model.text import some_names

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_ABSENT = (errno.ENOENT, errno.ENOTDIR)
_OF_THE_HOST = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


@dataclass(frozen=True, slots=True)
class OutputFault:
    """A fault of an output folder: NO_OUTPUT, EXTRA_OUTPUT, TAMPER or OUTPUT_LIMIT, and a sentence."""

    code: Code
    sentence: str


def find_fault(folder: Path, expected: Collection[str], *, max_bytes: int) -> OutputFault | None:
    """Returns the first fault of `folder`, or None.

    The folder must hold exactly the expected names, each a regular, non-empty file with a single hard link.
    `max_bytes` is the largest size of one file. Raises `OSError` if no file descriptors are left.
    """
    try:
        with opened(folder) as descriptor:
            return _fault_among(descriptor, expected, max_bytes)
    except OSError as error:
        return unreadable(error)


def unreadable(error: OSError) -> OutputFault:
    """Returns the fault for a folder that cannot be opened, although only the worker should change it.

    Raises `error` itself if its cause is this machine and not tampering.
    """
    if error.errno in _OF_THE_HOST:
        raise error
    return OutputFault(Code.TAMPER, f"The render's output folder cannot be read: {cause_of(error)}.")


def _fault_among(descriptor: int, expected: Collection[str], max_bytes: int) -> OutputFault | None:
    for name in sorted(expected):
        if fault := _fault_of(descriptor, name, max_bytes):
            return fault
    return _extra(descriptor, expected)


def _extra(directory: int, expected: Collection[str]) -> OutputFault | None:
    if extra := sorted(set(os.listdir(directory)) - set(expected)):
        return OutputFault(
            Code.EXTRA_OUTPUT,
            f"The render left unexpected files: {some_names(extra)}. Mute the scene's File Output nodes.",
        )
    return None


def collect(directory: int, expected: Collection[str], target: Path, *, max_bytes: int) -> OutputFault | None:
    """Copies exactly the expected files of an open folder into `target`, or returns a fault and copies none.

    `max_bytes` limits the sum of their sizes, holes included. Raises `HostUnavailable` if a file cannot be
    copied.
    """
    try:
        # The program may have removed the owner's rights.
        os.fchmod(directory, stat.S_IRWXU)
        fault = _fault_among(directory, expected, sys.maxsize)
        total = sum(
            os.stat(name, dir_fd=directory, follow_symlinks=False).st_size for name in expected if not fault
        )
    except OSError as error:
        return unreadable(error)
    if fault or total > max_bytes:
        return fault or _too_much(total, max_bytes)
    for name in expected:
        copied = _copy(directory, name, target / name, max_bytes=max_bytes, move=False)
        if isinstance(copied, OutputFault):
            return copied
    return None


def move_out(
    directory: int, name: str, target: Path, *, later: Collection[str], max_bytes: int
) -> OutputFault | int:
    """Moves one file out of an open folder that a program still writes to. Returns its size, or a fault.

    An earlier file at `target` is replaced. `later`: the only other names that may be in the folder. Raises
    `HostUnavailable` if the file cannot be written.
    """
    try:
        # The program may have removed the owner's rights; it keeps all others, which it still needs.
        os.fchmod(directory, stat.S_IMODE(os.fstat(directory).st_mode) | stat.S_IRWXU)
        copied = _copy(directory, name, target, max_bytes=max_bytes, move=True)
        fault = copied if isinstance(copied, OutputFault) else _extra(directory, later)
    except OSError as error:
        return unreadable(error)
    if fault:
        target.unlink(missing_ok=True)
    return fault or copied


def _copy(directory: int, name: str, target: Path, *, max_bytes: int, move: bool) -> OutputFault | int:
    """Copies one file to a new file of ours. Returns its size in bytes, or a fault.

    `move`: replaces an earlier file, and removes the source.
    """
    try:
        source = os.open(name, _FLAGS, dir_fd=directory)
    except OSError as error:
        return _not_opened(name, error)
    with os.fdopen(source, "rb", buffering=0) as reader:
        # Checked and copied by one descriptor, and at most a byte more than it had: it may be written to.
        before = os.fstat(source)
        if fault := _fault_in(name, before, sys.maxsize):
            return fault
        if before.st_size > max_bytes:
            return _too_much(before.st_size, max_bytes)
        try:
            if move:
                target.unlink(missing_ok=True)
            with target.open("xb") as writer:
                while chunk := reader.read(min(2**20, before.st_size + 1 - writer.tell())):
                    writer.write(chunk)
                size_bytes = writer.tell()
        except OSError as error:
            raise HostUnavailable(
                f"The output of a run cannot be written to {target}: {cause_of(error)}. Free some disk space."
            ) from error
        after = os.fstat(source)
        was = (before.st_size, before.st_size, before.st_mtime_ns, 1)
        unchanged = was == (size_bytes, after.st_size, after.st_mtime_ns, after.st_nlink)
        if unchanged and move:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=directory)
            unchanged = os.fstat(source).st_nlink == 0
    return size_bytes if unchanged else _tampered(name, "was changed while it was copied")


def free_bytes(folder: Path) -> int:
    """Returns the space on the folder's disk that is free for an ordinary user."""
    return shutil.disk_usage(folder).free


def _fault_of(directory: int, name: str, max_bytes: int) -> OutputFault | None:
    try:
        descriptor = os.open(name, _FLAGS, dir_fd=directory)
    except OSError as error:
        return _not_opened(name, error)
    try:
        return _fault_in(name, os.fstat(descriptor), max_bytes)
    finally:
        os.close(descriptor)


def _not_opened(name: str, error: OSError) -> OutputFault:
    if error.errno in _OF_THE_HOST:
        raise error
    if error.errno in _ABSENT:
        return OutputFault(Code.NO_OUTPUT, f"The render did not write “{name}”.")
    return _tampered(name, "cannot be opened as a file")


def _fault_in(name: str, status: os.stat_result, max_bytes: int) -> OutputFault | None:
    if not stat.S_ISREG(status.st_mode):
        return _tampered(name, "is not a regular file")
    if status.st_nlink != 1:
        return _tampered(name, "has more than one hard link")
    if status.st_size == 0:
        return OutputFault(Code.NO_OUTPUT, f"The render left “{name}” empty.")
    if status.st_size > max_bytes:
        return _tampered(name, f"has {format_size(status.st_size)}, more than {format_size(max_bytes)}")
    return None


def _too_much(size_bytes: int, max_bytes: int) -> OutputFault:
    return OutputFault(
        Code.OUTPUT_LIMIT,
        f"The scene wrote {format_size(size_bytes)} of output, more than output_bytes allows "
        f"({format_size(max_bytes)} left).",
    )


def _tampered(name: str, how: str) -> OutputFault:
    return OutputFault(Code.TAMPER, f"The render's output was tampered with: “{name}” {how}.")


@contextlib.contextmanager
def opened(path: Path) -> Iterator[int]:
    """Opens a folder without following links and yields its descriptor. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
