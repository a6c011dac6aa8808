"""What is fetched of a result: its manifest, frames, lists of leaves, and single tiles of proofs.

Nothing of it is believed: each piece is compared with what commits to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from veriframe.errors import Code, JobRejected, StoreUnavailable, ValidationFailed
from veriframe.model.bundle import merkle
from veriframe.model.bundle.manifest import FILE_NAME, MOST_BYTES, Manifest, ManifestFrame, parse_manifest
from veriframe.model.rendering.frames import RenderTask
from veriframe.model.rendering.sizes import most_bytes
from veriframe.model.verification.tiles import TileGrid
from veriframe.ports.store import ContentStore, FetchLimits, Transfer
from veriframe.verifier.proof_ranges import fetch_tiles

T = TypeVar("T")

WITHHELD = Code.NOT_FOUND
"""The code of a `ValidationFailed` for what nobody provides; all others mean that something is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often, and how many seconds apart, the parts of a result are asked for before they are withheld."""

    tries: int = 3
    pause_seconds: float = 20.0


@dataclass(slots=True, kw_only=True)
class Evidence:
    """The result of a job, fetched piece by piece into `folder`.

    Methods raise `StoreUnavailable`, and `ValidationFailed`: `WITHHELD` for what nobody provides, another
    code for what is not what it must be. `fetched_bytes` counts what came.
    """

    store: ContentStore
    result_cid: str
    folder: Path
    retries: Retries = field(default_factory=Retries)
    fetched_bytes: int = 0

    async def manifest(self) -> Manifest:
        """What the result says of itself."""
        file = await self._file(FILE_NAME, MOST_BYTES)
        return parse_manifest(await asyncio.to_thread(file.read_bytes))

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
        """These tiles of the frame's proof, at their places in a file that is otherwise empty."""
        assert frame.proof is not None
        target = self.folder / f"tiles-{frame.number}-{min(tiles)}-{len(tiles)}.exr"

        async def read(offset: int, length: int) -> bytes:
            assert frame.proof is not None
            found = await self._ask(
                partial(self.store.read, self.result_cid, frame.proof.exr, offset, length), frame.proof.exr
            )
            self.fetched_bytes += len(found)
            return found

        await fetch_tiles(read, tiles, grid.count, target)
        return target

    async def proof(self, frame: ManifestFrame, task: RenderTask) -> Path:
        """The whole proof of a frame."""
        assert frame.proof is not None
        return await self._file(frame.proof.exr, most_bytes(task))

    async def _file(self, path: str, limit_bytes: int) -> Path:
        target = self.folder / (path.replace("/", "-") or "picture")
        limits, before = FetchLimits(file_bytes=limit_bytes), self.fetched_bytes

        def on_progress(transfer: Transfer) -> None:
            self.fetched_bytes = before + transfer.done_bytes

        await self._ask(
            lambda: self.store.fetch(self.result_cid, target, limits, on_progress, path=path), path
        )
        return target

    async def _ask(self, fetch: Callable[[], Awaitable[T]], path: str) -> T:
        """Ask for a part of the result, several times if nobody has it."""
        for left in range(self.retries.tries - 1, -1, -1):
            try:
                return await fetch()
            except JobRejected as error:
                if error.code is not Code.NOT_FOUND:
                    raise ValidationFailed(error.code, _unfit(error, path)) from error
                if not left:
                    raise ValidationFailed(WITHHELD, self._withheld(path)) from error
            except StoreUnavailable as error:
                # Our own store answers, and this content stalls: its provider holds it back.
                await self.store.ready()
                if not left:
                    raise ValidationFailed(WITHHELD, self._withheld(path)) from error
            await asyncio.sleep(self.retries.pause_seconds)
        raise AssertionError("the last try returned or raised")

    def _withheld(self, path: str) -> str:
        times = f"it was asked for {self.retries.tries} times"
        return f"nobody provides {path or 'the result'}; {times}"


def _unfit(error: JobRejected, path: str) -> str:
    if error.code is Code.CORRUPT and path:
        return f"the result has no {path}, or it is damaged"
    if error.code is Code.TOO_LARGE:
        return f"{path or 'the result'} is larger than it can be"
    return f"{path or 'the result'} is not what it should be: {error}"
