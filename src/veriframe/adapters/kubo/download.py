"""A file on its way in: written beside its target, hashed as it comes, gone on with after a cut or a kill.

What has come lies in a hidden file named after the CID. A process that finds one hashes what is in it and
asks for the rest only; so the file itself is all the state there is, and a damaged one is found out by the
CID at the end. The kernel's lock on it keeps others off, and lets go when a process dies.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from asyncio import to_thread
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

from aleph_cid import CidHasher

from veriframe.adapters.kubo.api import KuboApi, NodeRefused, Query
from veriframe.errors import HostUnavailable, JobRejected, StoreUnavailable
from veriframe.model.cid import Cid, canonical

PREFIX = ".veriframe-fetch-"

WRITE_BYTES = 2**20

_LOOK_SECONDS = 0.1

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a node is waited for, in seconds, and how slow a stream may be."""

    lookup_seconds: float = 60.0
    """Until a node has found a block, somewhere in its network."""

    quiet_seconds: float = 60.0
    """For the next byte of a stream, and for the node to take the next piece of an upload."""

    away_seconds: float = 30.0
    """For a node that does not answer, before the work is put off."""

    window_seconds: float = 30.0
    least_bytes_per_second: int = 16_000
    """Over each window, after the first byte."""

    total_seconds: float = 6 * 3600.0
    """For one fetch or one add, whatever happens on the way."""


class Distrusted(Exception):
    """What comes is not what was asked for: too many bytes, or the wrong ones, or an early end for good."""


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

    def _place(self, target: Path) -> None:
        os.fsync(self._descriptor)
        place(self.path, target)


def place(path: Path, target: Path) -> None:
    """Move a file to its target beside it, in one step, safe on the disk."""
    path.replace(target)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@asynccontextmanager
async def partial(cid: Cid, spelling: str, folder: Path) -> AsyncIterator[Partial]:
    """The partial file of a CID in `folder`, for this work alone: waits while another has it.

    It is removed where the content is refused for good, and stays where a later try can go on with it.
    """
    path = folder / f"{PREFIX}{cid}"
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
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.stat(path).st_ino == os.fstat(descriptor).st_ino:  # noqa: PTH116 - quick
                return descriptor
        except (BlockingIOError, FileNotFoundError):
            pass
        except BaseException:
            os.close(descriptor)
            raise
        # Another fetches the same to here, or has just finished.
        os.close(descriptor)
        await asyncio.sleep(_LOOK_SECONDS)


class TooSlow(StoreUnavailable):
    """Bytes come, but too few for the file ever to be here in time."""


class Download:
    """The stream of one file from a node, gone on with after cuts. `heard` is told how many bytes came."""

    def __init__(self, api: KuboApi, cid: Cid, patience: Patience, heard: Callable[[int], None]) -> None:
        self._api, self._cid, self._patience, self._heard = api, cid, patience, heard

    async def complete(self, part: Partial, total_bytes: int) -> None:
        """Bring what `part` lacks of `total_bytes`. Whether it fits the CID is the caller's to check.

        Raises `Distrusted`; `StoreUnavailable` where the node stays away or is too slow: `part` is kept.
        """
        stuck_since, short_ends = time.monotonic(), 0
        while part.size_bytes < total_bytes:
            before, cut = part.size_bytes, None
            try:
                await self._stream(part, total_bytes)
            except (TooSlow, NodeRefused):
                raise
            except StoreUnavailable as error:
                cut = error
            # A few bytes on each try are no progress: else a node could keep this going for ever.
            if part.size_bytes - before >= WRITE_BYTES:
                stuck_since, short_ends = time.monotonic(), 0
            if part.size_bytes == total_bytes:
                break
            short_ends += cut is None
            if short_ends > 2:
                raise Distrusted(f"its stream ends after {part.size_bytes} of {total_bytes} bytes")
            if cut is not None and time.monotonic() - stuck_since > self._patience.away_seconds:
                raise cut
            await asyncio.sleep(min(1.0, self._patience.away_seconds / 10))

    async def _stream(self, part: Partial, total_bytes: int) -> None:
        query: Query = {"arg": str(self._cid), "offset": part.size_bytes, "progress": "false"}
        quiet_seconds = self._patience.quiet_seconds
        # As they came: to put them together would cost as much as to hash them.
        waiting, waiting_bytes = list[bytes](), 0
        try:
            async with self._api.post("cat", query, None, quiet_seconds=quiet_seconds) as answer:
                pace = Pace(self._patience, self._cid)
                async for piece in answer.pieces():
                    waiting.append(piece)
                    waiting_bytes += len(piece)
                    pace.count(len(piece))
                    if part.size_bytes + waiting_bytes > total_bytes:
                        waiting.clear()
                        raise Distrusted(f"its stream has more than {total_bytes} bytes")
                    if waiting_bytes >= WRITE_BYTES:
                        ready, waiting, waiting_bytes = waiting, [], 0
                        await part.append(ready)
                        self._heard(part.size_bytes)
        finally:
            # A cut loses nothing that has come.
            await part.append(waiting)
            self._heard(part.size_bytes)


class Pace:
    """Watches that enough bytes of a CID come in each window of time."""

    def __init__(self, patience: Patience, cid: Cid) -> None:
        self._patience, self._cid = patience, cid
        self._since, self._bytes = time.monotonic(), 0

    def count(self, size_bytes: int) -> None:
        """Note bytes. Raises `TooSlow` at the end of a window that had too few."""
        self._bytes += size_bytes
        seconds = time.monotonic() - self._since
        if seconds < self._patience.window_seconds:
            return
        if self._bytes < self._patience.least_bytes_per_second * seconds:
            raise TooSlow(
                f"{self._cid} comes with {self._bytes / seconds:.0f} bytes a second, too slowly. See the"
                " connection of the IPFS node. Trying again later."
            )
        self._since, self._bytes = time.monotonic(), 0


async def to_the_end(work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Run blocking work in a thread. Where this is cancelled, the work has ended on return.

    So nobody closes a file under it, and lets it write to whatever is opened next by that number.
    """
    running = asyncio.ensure_future(to_thread(work, *arguments, **named))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        if not running.cancelled():
            running.exception()
        raise


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
