"""Renders the tiles of frames again, in the sandbox: the scene is loaded once for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Self

from veriframe import disk
from veriframe.assets import Asset
from veriframe.errors import RenderFailed, ValidationFailed
from veriframe.model.bundle.chunks import TILE_BORDER_PIXELS, whole_region, with_border
from veriframe.model.rendering.frames import ImageFormat, Region, RenderTask, frame_file, proof_file
from veriframe.model.verification.rule import STOP_EARLY
from veriframe.model.verification.tiles import TileGrid
from veriframe.ports.renderer import Cut, CutKind, CutSamples, Kernel, Renderer, RenderSession
from veriframe.verifier.samples import Samples, samples_of

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
    """As OURS, but in a new process: whether this machine renders the same bits each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crop:
    """One part of a frame, rendered here: its picture as delivered, and what lies under it.

    `channels` are the picture's. `leaf` is the leaf hash of the noisy image, in hex; None without one.
    `guides` are the albedo and the normals that a denoiser gets.
    """

    picture: Samples
    picture_leaf: str
    channels: tuple[str, ...] = ()
    noisy: Samples | None = None
    leaf: str | None = None
    guides: Samples | None = None
    guide_channels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Part:
    """What is compared of a frame, and what is rendered for it: the same with a border."""

    wanted: Region
    shown: Region

    @property
    def name(self) -> str:
        """That of the folder with what is rendered for it."""
        shown = self.shown
        return f"{shown.left}-{shown.top}-{shown.width}-{shown.height}"


@dataclass(slots=True, kw_only=True)
class Sessions:
    """The Blenders that have one asset open, one for each kernel. A context manager, which ends them.

    `repeats`: of which frames this machine renders the same bits in two processes; `channels`: those of the
    asset's pictures, None as long as nobody asked.
    """

    renderer: Renderer
    asset: Asset
    repeats: dict[int, bool] = field(default_factory=dict)
    channels: tuple[str, ...] | None = None
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

    @property
    def has_cycle(self) -> bool:
        """Whether the asset has a dependency cycle, as far as a Blender has told."""
        return any(session.has_cycle for session in self._open.values())

    def fresh(self) -> AbstractAsyncContextManager[RenderSession]:
        """A session of its own. Entering it raises `HostUnavailable`."""
        return self.renderer.open(self.asset.scene, self.asset.folder)


@dataclass(slots=True, kw_only=True)
class Crops:
    """Renders parts of the frames of one task, below `folder`. `size` is the whole picture's, in pixels.

    `has_guides`: what the denoiser gets is taken, too. `are_of_whole`: whole frames are rendered, and the
    parts cut from them.

    Methods raise `RenderFailed`, `HostUnavailable`.
    """

    sessions: Sessions
    task: RenderTask
    size: tuple[int, int]
    folder: Path
    has_guides: bool = False
    are_of_whole: bool = False
    made: int = 0

    async def render(
        self, frame: int, region: Region, way: Way = Way.OURS, border: int = TILE_BORDER_PIXELS
    ) -> Crop:
        """Render a part of a frame, in pixels of the whole picture, with what its pixels depend on."""
        (crop,) = await self.render_all(frame, [region], way, border=border)
        return crop

    async def channels(self, frame: int) -> tuple[str, ...]:
        """The channels of the asset's pictures, by a tile of this frame. It is rendered once."""
        if self.sessions.channels is None:
            tile = TileGrid(*self.size).region(0)
            self.sessions.channels = (await self.render(frame, tile)).channels
        return self.sessions.channels

    async def render_all(
        self,
        frame: int,
        regions: Sequence[Region],
        way: Way = Way.OURS,
        on_part: Callable[[], None] = lambda: None,
        border: int = TILE_BORDER_PIXELS,
    ) -> Sequence[Crop]:
        """The same for several parts, which are decoded together. `on_part` hears of each."""
        parts = [_Part(region, self._shown(region, border)) for region in regions]
        self.made += 1
        out = self.folder / f"crops-{self.made}"
        await asyncio.to_thread(out.mkdir)
        try:
            async with self._session(way) as session:
                for part in parts:
                    if not (place := out / part.name).exists():
                        await self._render(session, frame, part.shown, place, way)
                    on_part()
            return await self._decode(frame, parts, out)
        finally:
            await asyncio.to_thread(disk.remove, out)

    @asynccontextmanager
    async def _session(self, way: Way) -> AsyncIterator[RenderSession]:
        if way is Way.FRESH:
            async with self.sessions.fresh() as session:
                yield session
        else:
            yield await self.sessions.get(Kernel.SSE if way is Way.OTHER_KERNEL else Kernel.BEST)

    async def _render(self, session: RenderSession, frame: int, shown: Region, out: Path, way: Way) -> None:
        task = replace(
            self.task,
            frames=(frame,),
            region=None if (shown.width, shown.height) == self.size else shown,
            has_thumbnail=False,
            stop_early=STOP_EARLY if way is Way.STOPPED_EARLY else None,
        )
        await asyncio.to_thread(out.mkdir)
        async for _ in session.frames(task, out):
            pass

    def _shown(self, region: Region, border: int) -> Region:
        """What is rendered: adaptive sampling and denoising look at a tile's neighbours."""
        whole = whole_region(self.size)
        return whole if self.are_of_whole or region == whole else with_border(region, self.size, border)

    async def _decode(self, frame: int, parts: Sequence[_Part], out: Path) -> Sequence[Crop]:
        pictures = [
            Cut(
                file=out / part.name / frame_file(frame, self.task.format),
                kind=KINDS[self.task.format],
                shown=part.shown,
                wanted=part.wanted,
                size=self.size,
            )
            for part in parts
        ]
        proofs = [
            replace(cut, file=cut.file.with_name(proof_file(frame)), kind=CutKind.RAW_PROOF)
            for cut in (pictures if self.task.has_proof else ())
        ]
        guides = [replace(cut, kind=CutKind.RAW_GUIDES) for cut in (proofs if self.has_guides else ())]
        try:
            found = await self.sessions.renderer.cut([*pictures, *proofs, *guides])
        except ValidationFailed as error:
            # What was rendered here is no fault of the worker's.
            raise RenderFailed(error.code, f"what was rendered here cannot be read. {error}") from error
        count = len(pictures)
        shown: Sequence[CutSamples] = found[:count]
        nothing: Sequence[CutSamples | None] = [None] * count
        return [
            Crop(
                picture=samples_of(picture),
                picture_leaf=picture.leaf,
                channels=picture.channels,
                noisy=None if proof is None else samples_of(proof),
                leaf=None if proof is None else proof.leaf,
                guides=None if guide is None else samples_of(guide),
                guide_channels=() if guide is None else guide.channels,
            )
            for picture, proof, guide in zip(
                shown, found[count : 2 * count] or nothing, found[2 * count :] or nothing, strict=True
            )
        ]
