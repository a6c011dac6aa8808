"""A file being fetched: written beside its target, resumed after interruptions, then moved into place.

The bytes that have arrived are in a hidden file named after the CID. A process that finds one checks its
bytes and requests only the rest. So the file itself is the only state, and its CIDs reveal any damage. The
kernel's lock on it keeps other processes off, and is released when a process dies.
"""

from __future__ import annotations

import asyncio
import os
from asyncio import to_thread
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from aleph_cid import CidHasher

from veriframe.disk import sync_folder, try_lock
from veriframe.errors import HostUnavailable, JobRejected
from veriframe.model.content.cid import Cid, canonical
from veriframe.ports.store import partial_name
from veriframe.threads import run_uninterrupted

PREFIX = partial_name("")

WRITE_BYTES = 2**20

_LOCK_POLL_SECONDS = 0.1


class Partial:
    """The bytes of a file that have arrived so far, at `path`. Made by `partial`."""

    def __init__(self, spelling: str, path: Path, descriptor: int) -> None:
        self.path = path
        self.size_bytes = 0
        self._spelling, self._descriptor = spelling, descriptor
        self._hasher = CidHasher.for_expected(spelling)

    async def resume(self, limit_bytes: int) -> None:
        """Resumes with the bytes on the disk; drops them if there are more than `limit_bytes`."""
        with writing(self.path):
            await run_uninterrupted(self._resume, limit_bytes)

    async def append(self, pieces: Sequence[bytes]) -> None:
        """Writes the next bytes, and hashes them."""
        with writing(self.path):
            await run_uninterrupted(self._append, pieces)

    async def read(self, offset: int, size_bytes: int) -> bytes:
        """Returns the bytes at an offset; fewer at the end of the file."""
        with writing(self.path):
            return await run_uninterrupted(os.pread, self._descriptor, size_bytes, offset)

    async def write(self, offset: int, content: bytes) -> None:
        """Writes bytes at an offset, over what is there. They are not hashed."""
        with writing(self.path):
            await run_uninterrupted(self._write, offset, content)

    async def end(self, size_bytes: int) -> None:
        """Truncates the file to `size_bytes`."""
        with writing(self.path):
            await run_uninterrupted(os.ftruncate, self._descriptor, size_bytes)

    def had_bytes(self) -> int:
        """Returns how many bytes are on the disk, right or wrong."""
        return os.fstat(self._descriptor).st_size

    async def fits(self) -> bool:
        """Whether the bytes match the CID, with the import options of the format. Call it once."""
        return canonical(await to_thread(self._hasher.finalize)) == canonical(self._spelling)

    async def place(self, target: Path) -> None:
        """Moves the file to its target, in one step, synced to the disk."""
        with writing(target):
            await run_uninterrupted(self._place, target)

    def drop(self) -> None:
        """Removes the file: a later attempt cannot use it."""
        self.path.unlink(missing_ok=True)

    def _resume(self, limit_bytes: int) -> None:
        if os.fstat(self._descriptor).st_size > limit_bytes:
            os.ftruncate(self._descriptor, 0)
        self._hasher, self.size_bytes = CidHasher.for_expected(self._spelling), 0
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        while piece := os.read(self._descriptor, WRITE_BYTES):
            self._hasher.update(piece)
            self.size_bytes += len(piece)

    def _append(self, pieces: Sequence[bytes]) -> None:
        for piece in pieces:
            self._hasher.update(piece)
            left = memoryview(piece)
            while left:
                left = left[os.write(self._descriptor, left) :]
            self.size_bytes += len(piece)

    def _write(self, offset: int, content: bytes) -> None:
        left = memoryview(content)
        while left:
            written = os.pwrite(self._descriptor, left, offset)
            left, offset = left[written:], offset + written

    def _place(self, target: Path) -> None:
        os.fsync(self._descriptor)
        place(self.path, target)


def place(path: Path, target: Path) -> None:
    """Moves a file to its target in the same folder, in one step, synced to the disk."""
    path.replace(target)
    sync_folder(target.parent)


@asynccontextmanager
async def partial(cid: Cid, spelling: str, folder: Path) -> AsyncIterator[Partial]:
    """The partial file of a CID in `folder`, for exclusive use: waits while another has it.

    It is removed if the content is refused for good, and otherwise stays for a later attempt.
    """
    path = folder / partial_name(str(cid))
    # Hashers recognise version 0 by its spelling only: its files have other leaves.
    spelling = spelling if spelling.startswith("Qm") else str(cid)
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = await lock(path, lambda: os.open(path, flags, 0o666))
    try:
        part = Partial(spelling, path, descriptor)
        try:
            yield part
        except JobRejected:
            part.drop()
            raise
    finally:
        os.close(descriptor)


async def lock(path: Path, opened: Callable[[], int]) -> int:
    """Returns a locked descriptor of `path`, as opened by `opened`: waits while another has it.

    Raises `HostUnavailable` if it cannot be opened.
    """
    while True:
        with writing(path):
            descriptor = opened()
        try:
            if try_lock(descriptor) and os.stat(path).st_ino == os.fstat(descriptor).st_ino:  # noqa: PTH116 - quick
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        # Another task or process fetches the same content to this place, or has just finished.
        os.close(descriptor)
        await asyncio.sleep(_LOCK_POLL_SECONDS)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raises `HostUnavailable` if a file cannot be written."""
    try:
        yield
    except OSError as error:
        raise HostUnavailable(
            f"{path} cannot be written: {error.strerror or error}. Check that its disk has room, and that"
            " this user may write there."
        ) from error
