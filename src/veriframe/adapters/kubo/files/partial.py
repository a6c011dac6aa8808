"""A file on its way in: written beside its target, gone on with after a cut or a kill, placed in one step.

What has come lies in a hidden file named after the CID. A process that finds one checks what is in it and
asks for the rest only; so the file itself is all the state there is, and a damaged one is found out by its
CIDs. The kernel's lock on it keeps others off, and lets go when a process dies.
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
from veriframe.threads import to_the_end

PREFIX = partial_name("")

WRITE_BYTES = 2**20

_LOOK_SECONDS = 0.1


class Partial:
    """The bytes of a file that have come so far, at `path`. Made by `partial`."""

    def __init__(self, spelling: str, path: Path, descriptor: int) -> None:
        self.path = path
        self.size_bytes = 0
        self._spelling, self._descriptor = spelling, descriptor
        self._hasher = CidHasher.for_expected(spelling)

    async def take_up(self, limit_bytes: int) -> None:
        """Go on with what is there; drop it where it has more than `limit_bytes`."""
        with writing(self.path):
            await to_the_end(self._take_up, limit_bytes)

    async def append(self, pieces: Sequence[bytes]) -> None:
        """Write the next bytes, and hash them."""
        with writing(self.path):
            await to_the_end(self._append, pieces)

    async def read(self, offset: int, size_bytes: int) -> bytes:
        """What lies at an offset, whoever put it there; less where less is there."""
        with writing(self.path):
            return await to_the_end(os.pread, self._descriptor, size_bytes, offset)

    async def write(self, offset: int, content: bytes) -> None:
        """Put bytes where they belong, over what is there. What is put so is not hashed."""
        with writing(self.path):
            await to_the_end(self._write, offset, content)

    async def end(self, size_bytes: int) -> None:
        """Leave so many bytes."""
        with writing(self.path):
            await to_the_end(os.ftruncate, self._descriptor, size_bytes)

    def had_bytes(self) -> int:
        """How many bytes lie there, right or wrong."""
        return os.fstat(self._descriptor).st_size

    async def fits(self) -> bool:
        """Whether the bytes are the CID's, with the import options of the format. To be asked once."""
        return canonical(await to_thread(self._hasher.finalize)) == canonical(self._spelling)

    async def place(self, target: Path) -> None:
        """Make it the target, in one step, safe on the disk."""
        with writing(target):
            await to_the_end(self._place, target)

    def drop(self) -> None:
        """Remove the file: it is of no use to a later try."""
        self.path.unlink(missing_ok=True)

    def _take_up(self, limit_bytes: int) -> None:
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
    """Move a file to its target beside it, in one step, safe on the disk."""
    path.replace(target)
    sync_folder(target.parent)


@asynccontextmanager
async def partial(cid: Cid, spelling: str, folder: Path) -> AsyncIterator[Partial]:
    """The partial file of a CID in `folder`, for this work alone: waits while another has it.

    It is removed where the content is refused for good, and stays where a later try can go on with it.
    """
    path = folder / partial_name(str(cid))
    # Hashers know version 0 by its spelling only: its files have other leaves.
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
    """A descriptor of what lies at `path`, as `opened` gives it, locked: waits while another has it.

    Raises `HostUnavailable` where it cannot be opened.
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
        # Another fetches the same to here, or has just finished.
        os.close(descriptor)
        await asyncio.sleep(_LOOK_SECONDS)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raises `HostUnavailable` where a file cannot be written."""
    try:
        yield
    except OSError as error:
        raise HostUnavailable(
            f"{path} cannot be written: {error.strerror or error}. See that its disk has room, and that its"
            " user may write there."
        ) from error
