"""What a program left in its output folder: a stranger's files until each has been looked at.

To be used after every process inside is dead, so that nothing changes between the look and the use.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from veriframe.errors import Code, HostUnavailable
from veriframe.model.text import some_names

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_ABSENT = (errno.ENOENT, errno.ENOTDIR)
_OF_THE_HOST = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with an output folder: NO_OUTPUT, EXTRA_OUTPUT or TAMPER, and a sentence."""

    code: Code
    sentence: str


def find_fault(folder: Path, expected: Collection[str], *, most_bytes: int) -> Fault | None:
    """Whether `folder` holds exactly the expected names, each a regular, sole, not empty file.

    `most_bytes` is the largest size of one file. None where all is well. Raises `OSError` for lack of
    descriptors.
    """
    try:
        with opened(folder) as descriptor:
            return _fault_among(descriptor, expected, most_bytes)
    except OSError as error:
        return unreadable(error)


def unreadable(error: OSError) -> Fault:
    """What it means where not even the folder can be opened: nobody but the worker may touch it.

    Raises `error` itself where it is this machine's, and no sign of tampering.
    """
    if error.errno in _OF_THE_HOST:
        raise error
    return Fault(Code.TAMPER, f"The render's output folder cannot be read: {error.strerror}.")


def _fault_among(descriptor: int, expected: Collection[str], most_bytes: int) -> Fault | None:
    for name in sorted(expected):
        if fault := _fault_of(descriptor, name, most_bytes):
            return fault
    extra = sorted(set(os.listdir(descriptor)) - set(expected))
    if extra:
        return Fault(
            Code.EXTRA_OUTPUT,
            f"The render left files that nobody asked for: {some_names(extra)}. Mute the scene's File Output "
            "nodes.",
        )
    return None


def collect(directory: int, expected: Collection[str], target: Path, *, most_bytes: int) -> Fault | None:
    """Copy exactly the expected files of an open folder into `target`, or say what is wrong and copy none.

    `most_bytes`: of all of them together, holes included. Raises `HostUnavailable` where no copy can be made.
    """
    try:
        # Its own owner may have locked it.
        os.fchmod(directory, stat.S_IRWXU)
        fault = _fault_among(directory, expected, most_bytes)
        total = sum(
            os.stat(name, dir_fd=directory, follow_symlinks=False).st_size for name in expected if not fault
        )
    except OSError as error:
        return unreadable(error)
    if fault or total > most_bytes:
        return fault or Fault(Code.DISK, f"The scene wrote {total} bytes of output, more than {most_bytes}.")
    try:
        for name in expected:
            take(directory, name, target / name, most_bytes=most_bytes)
    except OSError as error:
        raise HostUnavailable(
            f"The output of a run cannot be written to {target}: {error.strerror}. Free the disk."
        ) from error
    return None


def take(directory: int, name: str, target: Path, *, most_bytes: int) -> int:
    """Copy one file that has been looked at to a new file of our own. Returns its size in bytes.

    Raises `OSError` where it is not what it was then.
    """
    # Looked at before anything is made.
    if _fault_of(directory, name, most_bytes) is not None:
        raise OSError(errno.EINVAL, "it is not what it was", name)
    source = os.open(name, _FLAGS, dir_fd=directory)
    with os.fdopen(source, "rb") as reader, target.open("xb") as writer:
        shutil.copyfileobj(reader, writer, 2**20)
        return writer.tell()


def free_bytes(folder: Path) -> int:
    """What is free on the folder's disk for an ordinary user."""
    return shutil.disk_usage(folder).free


def _fault_of(directory: int, name: str, most_bytes: int) -> Fault | None:
    try:
        descriptor = os.open(name, _FLAGS, dir_fd=directory)
    except OSError as error:
        if error.errno in _OF_THE_HOST:
            raise
        if error.errno in _ABSENT:
            return Fault(Code.NO_OUTPUT, f"The render did not write “{name}”.")
        return _tampered(name, "cannot be opened as a file")
    try:
        return _fault_in(name, os.fstat(descriptor), most_bytes)
    finally:
        os.close(descriptor)


def _fault_in(name: str, status: os.stat_result, most_bytes: int) -> Fault | None:
    if not stat.S_ISREG(status.st_mode):
        return _tampered(name, "is no regular file")
    if status.st_nlink != 1:
        return _tampered(name, "has more than one name")
    if status.st_size == 0:
        return Fault(Code.NO_OUTPUT, f"The render left “{name}” empty.")
    if status.st_size > most_bytes:
        return _tampered(name, f"has {status.st_size} bytes, more than {most_bytes}")
    return None


def _tampered(name: str, how: str) -> Fault:
    return Fault(Code.TAMPER, f"The render's output was tampered with: “{name}” {how}.")


@contextlib.contextmanager
def opened(path: Path) -> Iterator[int]:
    """A folder's descriptor. Follows no link. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
