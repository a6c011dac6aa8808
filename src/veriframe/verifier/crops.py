"""Renders the tiles of frames again, in the sandbox: the scene is loaded once for all of them."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from veriframe import disk
from veriframe.assets import Asset
from veriframe.model.rendering.frames import ImageFormat, Region, RenderTask, frame_file, proof_file
from veriframe.model.verification.rule import STOP_EARLY
from veriframe.ports.renderer import Cut, CutKind, CutSamples, Kernel, Renderer, RenderSession

Samples = NDArray[np.float32]
"""Pixels of a part of a picture: (height, width, channels)."""

KINDS = {
    ImageFormat.PNG: CutKind.PNG,
    ImageFormat.EXR: CutKind.EXR,
    ImageFormat.MULTILAYER: CutKind.MULTILAYER,
}


class Way(Enum):
    """How a part is rendered again; model/verification/rule.py says why there are several."""

    OURS = "A"
    OTHER_KERNEL = "S"
    STOPPED_EARLY = "E"
    FRESH = "a fresh process"
    """As OURS, but in a new process: whether this machine renders the same bits twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crop:
    """One part of a frame, rendered here: its picture as delivered, and what lies under it.

    `leaf` is the leaf hash of the noisy image, in hex; None without one.
    """

    picture: Samples
    picture_leaf: str
    noisy: Samples | None = None
    leaf: str | None = None


@dataclass(slots=True, kw_only=True)
class Sessions:
    """The Blenders that have one asset open, one for each kernel. A context manager, which ends them.

    `repeats`: whether this machine renders the same bits in two processes; None as long as nobody asked.
    """

    renderer: Renderer
    asset: Asset
    repeats: bool | None = None
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _open: dict[Kernel, RenderSession] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def get(self, kernel: Kernel) -> RenderSession:
        """The session of this kernel, opened if there is none. Raises `HostUnavailable`."""
        if (session := self._open.get(kernel)) is None or session.is_over:
            opened = self.renderer.open(self.asset.scene, self.asset.folder, kernel)
            session = self._open[kernel] = await self._stack.enter_async_context(opened)
        return session

    def fresh(self) -> AbstractAsyncContextManager[RenderSession]:
        """A session of its own. Entering it raises `HostUnavailable`."""
        return self.renderer.open(self.asset.scene, self.asset.folder)


@dataclass(slots=True, kw_only=True)
class Crops:
    """Renders parts of the frames of one task, below `folder`. `size` is the whole picture's, in pixels.

    Methods raise `RenderFailed`, `HostUnavailable`.
    """

    sessions: Sessions
    task: RenderTask
    size: tuple[int, int]
    folder: Path
    made: int = 0

    async def render(self, frame: int, wanted: Region, shown: Region, way: Way = Way.OURS) -> Crop:
        """Render `shown` of a frame, and cut `wanted` out of it; both in pixels of the whole picture."""
        if way is Way.FRESH:
            async with self.sessions.fresh() as session:
                return await self._render(session, frame, wanted, shown, way)
        kernel = Kernel.SSE if way is Way.OTHER_KERNEL else Kernel.BEST
        return await self._render(await self.sessions.get(kernel), frame, wanted, shown, way)

    async def _render(
        self, session: RenderSession, frame: int, wanted: Region, shown: Region, way: Way
    ) -> Crop:
        is_whole = (shown.width, shown.height) == self.size
        task = replace(
            self.task,
            frames=(frame,),
            region=None if is_whole else shown,
            has_thumbnail=False,
            stop_early=STOP_EARLY if way is Way.STOPPED_EARLY else None,
        )
        self.made += 1
        out = self.folder / f"crop-{self.made}"
        await asyncio.to_thread(out.mkdir)
        try:
            async for _ in session.frames(task, out):
                pass
            picture = Cut(
                file=out / frame_file(frame, task.format),
                kind=KINDS[task.format],
                shown=shown,
                wanted=wanted,
                size=self.size,
            )
            proof = replace(picture, file=out / proof_file(frame), kind=CutKind.RAW_PROOF)
            found = await self.sessions.renderer.cut([picture, proof] if task.has_proof else [picture])
        finally:
            await asyncio.to_thread(disk.remove, out)
        noisy = found[1] if task.has_proof else None
        return Crop(
            picture=samples_of(found[0]),
            picture_leaf=found[0].leaf,
            noisy=None if noisy is None else samples_of(noisy),
            leaf=None if noisy is None else noisy.leaf,
        )


def samples_of(cut: CutSamples) -> Samples:
    """The pixels of a cut."""
    found = np.frombuffer(cut.values, dtype="<f4").astype(np.float32, copy=False)
    return found.reshape(cut.height, cut.width, len(cut.channels))


def part_of(samples: Samples, region: Region, of: Region) -> Samples:
    """The pixels of a region, out of those of a larger one; both in pixels of the whole picture."""
    top, left = region.top - of.top, region.left - of.left
    return samples[top : top + region.height, left : left + region.width]
