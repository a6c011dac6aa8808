"""The upload of a file or a folder: listed, read in pieces, framed as multipart, and hashed to its CID.

Memory holds a few pieces and one open file at a time, whatever the size of the upload.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from aleph_cid import CidHasher, hash_folder

from veriframe.adapters.kubo.node.api import Body, Query
from veriframe.causes import cause_of
from veriframe.errors import SettingsError
from veriframe.threads import run_uninterrupted

PIECE_BYTES = 2**20

IMPORT_OPTIONS: Query = {
    "cid-version": 1,
    "raw-leaves": "true",
    "chunker": "size-262144",
    "max-file-links": 174,
    "hash": "sha2-256",
    "trickle": "false",
    "inline": "false",
}
"""Part of the format: other options give the same bytes another CID. None is left to the node's defaults."""

ROOT_NAME = "content"
"""The name of the file or folder in the upload. Its own name is not part of its CID, and is not sent."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or a folder to send. `name` is its path from the root; the root's is empty."""

    path: Path
    name: str
    is_folder: bool


@dataclass(frozen=True, slots=True)
class UploadPlan:
    """Everything that one `add` sends, folders before their entries. `size_bytes` counts files."""

    entries: Sequence[Entry]
    size_bytes: int

    @property
    def is_folder(self) -> bool:
        """Whether this is a folder, not a single file."""
        return self.entries[0].is_folder


def plan_upload(source: Path) -> UploadPlan:
    """Lists what to send. Raises `SettingsError` if something is missing or cannot be stored."""
    try:
        # The source itself may be a symbolic link; within a folder, links are refused.
        status = source.stat()
    except FileNotFoundError:
        raise SettingsError(f"{source} does not exist. Give a file, or a folder with files.") from None
    except OSError as error:
        raise _unreadable(source, f"cannot be read: {cause_of(error)}") from error
    if stat.S_ISREG(status.st_mode):
        return UploadPlan([Entry(source, "", False)], status.st_size)
    if not stat.S_ISDIR(status.st_mode):
        raise _unreadable(source, "is neither a file nor a folder")
    entries, size_bytes = [Entry(source, "", True)], 0
    for entry, entry_bytes in _walk(source, ""):
        entries.append(entry)
        size_bytes += entry_bytes
    return UploadPlan(entries, size_bytes)


def folder_cid(folder: Path) -> str:
    """Returns the CID that a folder must have. Reads all of its files. Raises `SettingsError`."""
    try:
        return str(hash_folder(folder, follow_symlinks=False))
    except (OSError, ValueError) as error:
        raise _unreadable(folder, f"cannot be read: {cause_of(error)}") from error


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of the body, and how many bytes of files are sent once it is."""

    content: bytes
    done_bytes: int


class Upload:
    """One upload of a `plan`. Afterwards `sent_cid` is a single file's CID, computed from the bytes sent."""

    def __init__(self, plan: UploadPlan, on_bytes: Callable[[int], None]) -> None:
        self.plan = plan
        self._boundary = f"veriframe-{os.urandom(16).hex()}"
        self._hasher = CidHasher.for_ipfs_v1_raw_leaves()
        self._on_bytes = on_bytes
        self.failure: SettingsError | None = None

    @property
    def sent_cid(self) -> str:
        """The CID of the single file that was sent. Read it once, after everything is sent."""
        return str(self._hasher.finalize())

    def body(self) -> Body:
        """Returns the body to send."""
        return Body(self._boundary, self._pieces())

    async def _pieces(self) -> AsyncIterator[bytes]:
        """Yields the whole multipart body. Raises `failure` if a file can no longer be read.

        A thread reads, hashes and frames each piece while the previous one is sent.
        """
        parts = self._parts()
        ahead = asyncio.create_task(run_uninterrupted(next, parts, None))
        try:
            while (part := await ahead) is not None:
                ahead = asyncio.create_task(run_uninterrupted(next, parts, None))
                yield part.content
                self._on_bytes(part.done_bytes)
        except SettingsError as error:
            # The HTTP client raises its own error instead of this one.
            self.failure = error
            raise
        finally:
            await asyncio.wait([ahead])
            if not ahead.cancelled():
                ahead.exception()
            parts.close()

    def _parts(self) -> Generator[_Part, None, None]:
        """Yields the body in pieces of about `PIECE_BYTES`: many small files share one piece."""
        waiting, done_bytes = bytearray(), 0
        for entry in self.plan.entries:
            waiting += self._header(entry)
            for piece in () if entry.is_folder else self._file(entry.path):
                done_bytes += len(piece)
                if len(waiting) + len(piece) >= PIECE_BYTES:
                    if waiting:
                        # An empty piece would end the body.
                        yield _Part(bytes(waiting), done_bytes - len(piece))
                        waiting.clear()
                    yield _Part(piece, done_bytes)
                else:
                    waiting += piece
            waiting += b"\r\n"
        yield _Part(bytes(waiting) + f"--{self._boundary}--\r\n".encode(), done_bytes)

    def _file(self, path: Path) -> Iterator[bytes]:
        with self._open(path) as opened:
            while piece := self._read(path, opened):
                yield piece

    def _header(self, entry: Entry) -> bytes:
        kind = "application/x-directory" if entry.is_folder else "application/octet-stream"
        name = quote(f"{ROOT_NAME}/{entry.name}".rstrip("/"), safe="")
        return (
            f"--{self._boundary}\r\n"
            f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n'
            f"Content-Type: {kind}\r\n\r\n"
        ).encode()

    def _open(self, path: Path) -> BinaryIO:
        # Not blocking: a named pipe created in the meantime would wait for a writer for ever.
        try:
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
            descriptor = os.open(path, flags | (os.O_NOFOLLOW if self.plan.is_folder else 0))
        except OSError as error:
            raise _unreadable(path, f"cannot be read: {cause_of(error)}") from error
        opened = os.fdopen(descriptor, "rb", buffering=0)
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            opened.close()
            raise _unreadable(path, "was changed during the upload")
        return opened

    def _read(self, path: Path, opened: BinaryIO) -> bytes:
        try:
            piece = opened.read(PIECE_BYTES)
        except OSError as error:
            raise _unreadable(path, f"cannot be read: {cause_of(error)}") from error
        if not self.plan.is_folder:
            self._hasher.update(piece)
        return piece


def one_part(content: bytes) -> Body:
    """Returns a few bytes as a multipart body."""
    boundary = f"veriframe-{os.urandom(16).hex()}"

    async def pieces() -> AsyncIterator[bytes]:
        head = 'Content-Disposition: form-data; name="file"; filename="file"'
        yield f"--{boundary}\r\n{head}\r\n\r\n".encode() + content + f"\r\n--{boundary}--\r\n".encode()

    return Body(boundary, pieces())


def _walk(folder: Path, prefix: str) -> Iterator[tuple[Entry, int]]:
    """Yields every entry of a folder, with file sizes. A folder's entries stay together: Kubo needs that."""
    for found in _listed(folder):
        entry = Entry(folder / found.name, f"{prefix}{found.name}", found.is_dir(follow_symlinks=False))
        if entry.is_folder:
            yield entry, 0
            yield from _walk(entry.path, f"{entry.name}/")
        elif found.is_file(follow_symlinks=False):
            try:
                yield entry, found.stat(follow_symlinks=False).st_size
            except OSError as error:
                raise _unreadable(entry.path, f"cannot be read: {cause_of(error)}") from error
        else:
            raise _unreadable(entry.path, "is neither a file nor a folder")


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise _unreadable(folder, f"cannot be read: {cause_of(error)}") from error
    if not found:
        raise _unreadable(folder, "is empty, and empty folders cannot be stored")
    for entry in found:
        if entry.is_symlink():
            raise _unreadable(folder / entry.name, "is a symbolic link, and links cannot be stored")
        if any("\ud800" <= character <= "\udfff" for character in entry.name):
            raise SettingsError(
                f"The name {entry.name!a} in {folder} is not valid UTF-8. Rename it and add it again."
            )
    return found


def _unreadable(path: Path, why: str) -> SettingsError:
    return SettingsError(f"{path} {why}. Correct this and add it again.")
