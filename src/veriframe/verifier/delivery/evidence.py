"""What is fetched of a result: its manifest, frames, lists of leaves, and single tiles of proofs.

Nothing of it is believed: each piece is compared with what commits to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from veriframe.errors import Code, JobRejected, StoreDamaged, StoreUnavailable, ValidationFailed
from veriframe.model.bundle import merkle
from veriframe.model.bundle.manifest import FILE_NAME, Manifest, ManifestFrame, longest, parse_manifest
from veriframe.model.quantities import format_span
from veriframe.model.rendering.frames import RenderTask
from veriframe.model.rendering.sizes import largest_proof_bytes, most_bytes
from veriframe.model.verification.tiles import TileGrid
from veriframe.ports.store import ContentStore, FetchLimits, Transfer
from veriframe.verifier.delivery.proof_ranges import fetch_tiles

T = TypeVar("T")

WITHHELD = Code.NOT_FOUND
"""The code of a `ValidationFailed` for what nobody provides; all others mean that something is wrong."""


MOST_SHARING = 2
"""By so much, at most, the usual time of bytes is longer if several results come over one line at once.

Four of them fit into a megabit a second. More would let workers who deliver slowly hold reviews up longer.
"""


def _ignore() -> None:
    """Nothing is timed now."""


def _ignore_wait(_why: str) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often, how many seconds apart, and for how long the parts of a result are asked for.

    What does not come within these bounds is withheld: who is paid for a result must deliver it. A worker
    that delivers drop by drop would otherwise be paid for what nobody could examine in time.
    """

    tries: int = 3
    pause_seconds: float = 20.0

    part_seconds: float = 60.0
    """For one try of a part, besides its bytes: as long as a node may look for one block in its network."""

    part_bytes_per_second: int = 16_000
    """At least, for one try of a part: the slowest stream that a fetch accepts."""

    usual_seconds: float = 5.0
    """Until the first byte of a part, as usual for a node that is connected. What is beyond is late."""

    late_seconds: float = 600.0
    """For all parts of a job together, pauses included: a node may be away or slow for minutes. With what the
    bytes take, it ends well before the hour that an arbiter gives to an examination."""

    usual_bytes_per_second: int = 64_000
    """What a slow line sends, as usual: half a megabit a second. What bytes take beyond is late."""

    def within(self, seconds: float) -> Retries:
        """The same, waiting for late parts for no longer than this."""
        return replace(self, late_seconds=min(self.late_seconds, seconds))


@dataclass(slots=True, kw_only=True)
class Evidence:
    """The result of a job, fetched piece by piece into `folder`.

    Methods raise `StoreUnavailable`, and `ValidationFailed`: `WITHHELD` for what nobody provides, another
    code for what is not what it must be. `fetched_bytes` counts what came, `late_seconds` how long late
    deliveries were waited for. `on_wait` hears what it waits for before a part is asked for again. All
    waiting is done within a `waiting`; `sharing` says how many results are waited for at the same time.
    """

    store: ContentStore
    result_cid: str
    folder: Path
    retries: Retries = field(default_factory=Retries)
    fetched_bytes: int = 0
    on_wait: Callable[[str], None] = _ignore_wait
    waiting: Callable[[], AbstractAsyncContextManager[None]] = nullcontext
    sharing: Callable[[], int] = lambda: 1
    late_seconds: float = field(default=0.0, init=False)
    _on_bytes: Callable[[], None] = field(default=_ignore, init=False)

    async def manifest(self, frames: int, *, has_layers: bool) -> Manifest:
        """What the result says of itself, and of no more than so many frames."""
        file = await self._file(FILE_NAME, longest(frames, has_layers=has_layers))
        return await asyncio.to_thread(lambda: parse_manifest(file.read_bytes(), frames))

    async def frame(self, frame: ManifestFrame) -> Path:
        """The file of a frame. Its size is bounded: the manifest was compared with its pixels."""
        return await self._file(frame.file, frame.size_bytes)

    async def picture(self, task: RenderTask) -> Path:
        """The result of a bare job, which is one file."""
        return await self._file("", most_bytes(task))

    async def leaves(self, frame: ManifestFrame, grid: TileGrid) -> tuple[str, ...]:
        """The leaf hashes of the frame's noisy image in hex, if they make the root in the manifest."""
        assert frame.proof is not None
        file = await self._file(frame.proof.tiles, merkle.HASH_BYTES * grid.count)
        content = await asyncio.to_thread(file.read_bytes)
        if len(content) != merkle.HASH_BYTES * grid.count:
            raise ValidationFailed(Code.NOT_IMAGE, "its list of tiles is not as long as its picture is large")
        leaves = merkle.split_leaves(content)
        if merkle.root(leaves).hex() != frame.proof.root:
            raise ValidationFailed(Code.TAMPER, "its list of tiles does not make the root in its manifest")
        return tuple(leaf.hex() for leaf in leaves)

    async def proof_tiles(self, frame: ManifestFrame, grid: TileGrid, tiles: Sequence[int]) -> Path:
        """These tiles of the frame's proof, in a file without the others."""
        assert frame.proof is not None
        target = self.folder / f"tiles-{frame.number}-{min(tiles)}-{len(tiles)}.exr"

        async def read(offset: int, length: int) -> bytes:
            assert frame.proof is not None
            exr = frame.proof.exr

            async def fetch() -> bytes:
                found = await self.store.read(self.result_cid, exr, offset, length)
                self.fetched_bytes += len(found)
                return found

            return await self._ask(fetch, exr, length)

        await fetch_tiles(read, tiles, grid.count, target)
        return target

    async def proof(self, frame: ManifestFrame, task: RenderTask) -> Path:
        """The whole proof of a frame."""
        assert frame.proof is not None
        return await self._file(frame.proof.exr, largest_proof_bytes(task))

    async def _file(self, path: str, limit_bytes: int) -> Path:
        target = self.folder / (path.replace("/", "-") or "picture")
        limits, before = FetchLimits(file_bytes=limit_bytes), self.fetched_bytes

        def on_progress(transfer: Transfer) -> None:
            self.fetched_bytes = before + transfer.done_bytes
            self._on_bytes()

        await self._ask(
            lambda: self.store.fetch(self.result_cid, target, limits, on_progress, path=path),
            path,
            limit_bytes,
        )
        return target

    async def _ask(self, fetch: Callable[[], Awaitable[T]], path: str, size_bytes: int) -> T:
        """Ask for a part of at most this size, several times if nobody has it or it comes too slowly."""
        async with self.waiting():
            return await self._asked(fetch, path, size_bytes)

    async def _asked(self, fetch: Callable[[], Awaitable[T]], path: str, size_bytes: int) -> T:
        """The same. What it waits for its turn afterwards does not count as late."""
        began, before, most = _now(), self.fetched_bytes, 1

        def usual_end() -> float:
            nonlocal most
            most = max(most, min(self.sharing(), MOST_SHARING))
            seconds = (self.fetched_bytes - before) * most / self.retries.usual_bytes_per_second
            return began + self.retries.usual_seconds + seconds

        def last_end() -> float:
            return usual_end() + self.retries.late_seconds - self.late_seconds

        try:
            return await self._tries(fetch, path, size_bytes, last_end)
        finally:
            self.late_seconds += max(0.0, _now() - usual_end())

    async def _tries(
        self,
        fetch: Callable[[], Awaitable[T]],
        path: str,
        size_bytes: int,
        last_end: Callable[[], float],
    ) -> T:
        for number in range(1, self.retries.tries + 1):
            try:
                return await self._in_time(fetch, size_bytes, last_end)
            except JobRejected as error:
                if error.code is not Code.NOT_FOUND:
                    raise ValidationFailed(error.code, _unfit(error, path)) from error
                cause: Exception = error
            except StoreDamaged:
                raise
            except (StoreUnavailable, TimeoutError) as error:
                # Our own store answers, and this content stalls: its provider holds it back.
                await self.store.ready()
                cause = error
            if number == self.retries.tries or _now() >= last_end():
                raise ValidationFailed(WITHHELD, _withheld(cause, path, number)) from cause
            self.on_wait(_waits(cause, path, number + 1, self.retries))
            await asyncio.sleep(self.retries.pause_seconds)
        raise AssertionError("the last try returned or raised")

    async def _in_time(
        self, fetch: Callable[[], Awaitable[T]], size_bytes: int, last_end: Callable[[], float]
    ) -> T:
        """One try. Raises `TimeoutError` once the part, or all parts of the job, are too late."""
        part_end = _now() + self.retries.part_seconds + size_bytes / self.retries.part_bytes_per_second
        try:
            async with asyncio.timeout_at(min(part_end, last_end())) as limit:

                def on_bytes() -> None:
                    if not limit.expired():
                        limit.reschedule(min(part_end, last_end()))

                self._on_bytes = on_bytes
                return await fetch()
        finally:
            self._on_bytes = _ignore


def _now() -> float:
    return asyncio.get_running_loop().time()


def _waits(cause: Exception, path: str, number: int, retries: Retries) -> str:
    late = "does not come in time" if isinstance(cause, TimeoutError) else "nobody provides"
    again = f"in {format_span(round(retries.pause_seconds))}, try {number} of {retries.tries}"
    return f"{path or 'the result'}, which {late}: it is asked for again {again}"


def _withheld(cause: Exception, path: str, tries: int) -> str:
    late = " in time" if isinstance(cause, TimeoutError) else ""
    times = f"it was asked for {tries} times" if tries > 1 else "it was asked for once"
    return f"nobody provides {path or 'the result'}{late}; {times}"


def _unfit(error: JobRejected, path: str) -> str:
    if error.code is Code.CORRUPT and path:
        return f"the result has no {path}, or it is damaged"
    if error.code is Code.TOO_LARGE:
        return f"{path or 'the result'} is larger than it can be"
    return f"{path or 'the result'} is not what it should be: {error}"
