"""Copies files and folders in pieces while it computes their CIDs. A copy can be stopped at any piece.

The CIDs are those of `ipfs add --cid-version=1 --raw-leaves --chunker=size-262144 --max-file-links=174`.
"""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from aleph_cid import CidHasher, hash_folder

from veriframe.causes import cause_of
from veriframe.disk import sync_folder
from veriframe.model.content.folder import FolderLimits, check_path, check_totals
from veriframe.ports.store import OnTransfer, Transfer

PIECE_BYTES = 2**20


class Unreadable(Exception):
    """The source cannot be read, or is of a kind that is not stored. The message says why."""


class TooLong(Exception):
    """The source has more bytes than allowed."""


class Stopped(Exception):
    """The copy was stopped, because its caller no longer waits for it."""


class CopyProgress:
    """Progress and cancellation of a copy in a thread, made in the event loop; setting `stop` ends it."""

    def __init__(self, on_progress: OnTransfer | None = None) -> None:
        self.stop = threading.Event()
        self.total_bytes: int | None = None
        self._loop = asyncio.get_running_loop() if on_progress else None
        self._on_progress, self._done_bytes = on_progress, 0

    def moved(self, size_bytes: int) -> None:
        """Records that this many more bytes are done. Raises `Stopped`."""
        if self.stop.is_set():
            raise Stopped
        self._done_bytes += size_bytes
        if self._loop and self._on_progress:
            transfer = Transfer(done_bytes=self._done_bytes, total_bytes=self.total_bytes)
            self._loop.call_soon_threadsafe(self._on_progress, transfer)


@dataclass(frozen=True, slots=True)
class Copied:
    """A finished copy: its CID, and the total size of its files."""

    cid: str
    size_bytes: int


def open_file(path: Path, *, follow: bool = False) -> BinaryIO:
    """Opens a regular file for reading. Raises `Unreadable`, `FileNotFoundError`, `IsADirectoryError`."""
    # Non-blocking: opening a named pipe would otherwise wait for a writer for ever.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {cause_of(error)}") from error
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb", buffering=0)
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(path)
    raise Unreadable(f"{path} is neither a file nor a folder")


def copy_file(
    source: BinaryIO, target: Path, limit_bytes: int, watch: CopyProgress, *, mode: int = 0o400
) -> Copied:
    """Copies an open file to `target`, a new file with `mode`, and syncs it to the disk.

    Raises `TooLong` after `limit_bytes`, `Unreadable`, `Stopped`; an `OSError` concerns the target.
    """
    hasher, size_bytes = CidHasher.for_ipfs_v1_raw_leaves(), 0
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with os.fdopen(os.open(target, flags, mode), "wb") as copy:
        while piece := _read(source):
            size_bytes += len(piece)
            if size_bytes > limit_bytes:
                raise TooLong
            hasher.update(piece)
            copy.write(piece)
            watch.moved(len(piece))
        copy.flush()
        os.fsync(copy.fileno())
    return Copied(hasher.finalize(), size_bytes)


def copy_folder(
    source: Path, target: Path, limit_bytes: int, watch: CopyProgress, *, mode: int = 0o400
) -> Copied:
    """Copies a folder of files and folders to `target`, which must not exist. Raises as `copy_file` does."""
    folder_mode = 0o777 if mode & 0o022 else 0o700
    size_bytes = 0
    waiting = [(source, target)]
    while waiting:
        folder, copy = waiting.pop()
        copy.mkdir(mode=folder_mode)
        for entry in _entries(folder):
            path = folder / entry.name
            if entry.is_dir(follow_symlinks=False):
                waiting.append((path, copy / entry.name))
                continue
            with _open_entry(path) as opened:
                left_bytes = limit_bytes - size_bytes
                size_bytes += copy_file(opened, copy / entry.name, left_bytes, watch, mode=mode).size_bytes
    for folder_name, _, _ in os.walk(target):
        sync_folder(Path(folder_name))
    return Copied(folder_cid(target), size_bytes)


def measure_folder(folder: Path, limits: FolderLimits) -> int:
    """Returns the bytes of a folder's files. Raises `JobRejected` beyond `limits`, and `Unreadable`."""
    entries, size_bytes, waiting = 0, 0, [""]
    while waiting:
        prefix = waiting.pop()
        for entry in _entries(folder / prefix):
            path = f"{prefix}{entry.name}"
            check_path(path, limits)
            entries += 1
            if entry.is_dir(follow_symlinks=False):
                waiting.append(f"{path}/")
            else:
                size_bytes += entry.stat(follow_symlinks=False).st_size
            check_totals(limits, entries=entries, size_bytes=size_bytes)
    return size_bytes


def folder_cid(folder: Path) -> str:
    """Returns the CID of a folder of files and folders. Links count as links, so they change the CID."""
    return str(hash_folder(folder, follow_symlinks=False))


def file_cid(file: BinaryIO) -> str:
    """Returns the CID of an open file, read from its start. Raises `Unreadable`."""
    hasher = CidHasher.for_ipfs_v1_raw_leaves()
    file.seek(0)
    while piece := _read(file):
        hasher.update(piece)
    return hasher.finalize()


def read_range(file: BinaryIO, offset: int, length: int) -> bytes:
    """Returns a part of an open file; fewer bytes only at its end. Raises `Unreadable`."""
    file.seek(min(offset, os.fstat(file.fileno()).st_size))
    content = bytearray()
    while len(content) < length and (piece := _read(file, length - len(content))):
        content += piece
    return bytes(content)


@contextmanager
def opened_folder(folder: Path) -> Iterator[int]:
    """Opens a folder and yields its descriptor."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _read(source: BinaryIO, most_bytes: int = PIECE_BYTES) -> bytes:
    try:
        return source.read(most_bytes)
    except OSError as error:
        raise Unreadable(f"{source.name} cannot be read: {cause_of(error)}") from error


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise Unreadable(f"{folder} cannot be read: {cause_of(error)}") from error
    if not found:
        raise Unreadable(f"{folder} is empty, and empty folders are not stored")
    for entry in found:
        if entry.is_symlink():
            raise Unreadable(f"{folder / entry.name} is a link, and links are not stored")
        if any("\ud800" <= character <= "\udfff" for character in entry.name):
            raise Unreadable(f"{entry.name!a} in {folder} is not a UTF-8 name")
    return found


def _open_entry(path: Path) -> BinaryIO:
    try:
        return open_file(path)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise Unreadable(f"{path} changed while it was read") from error
