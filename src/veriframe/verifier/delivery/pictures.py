"""The delivered pictures of a job's frames: fetched, and decoded in the clean sandbox, several at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path

from veriframe.errors import RenderFailed, ValidationFailed
from veriframe.model.bundle.chunks import whole_region
from veriframe.model.bundle.manifest import ManifestFrame
from veriframe.model.rendering.frames import ImageFormat, Region
from veriframe.ports.renderer import Cut, CutSamples, Renderer
from veriframe.verifier.crops import KINDS
from veriframe.verifier.delivery.evidence import Evidence
from veriframe.verifier.delivery.png_chunks import require_pixels_only

TOGETHER_BYTES = 2**26
"""Of decoded pictures that may wait in memory. To start a sandbox takes as long as to decode a small one."""

_PIXEL_BYTES = 16
"""Four channels as 32-bit numbers."""

Cuts = Sequence[CutSamples]
"""A whole picture, and what of it is checked: the same, or without its border."""


@dataclass(slots=True, kw_only=True)
class Pictures:
    """Pictures of one format. Each shows the part `shown` of a picture of `size`; `kept` of it is checked.

    `wanted` are the frames whose pictures will be asked for, in this order.
    """

    evidence: Evidence
    renderer: Renderer
    format: ImageFormat
    size: tuple[int, int]
    shown: Region
    kept: Region
    wanted: Sequence[ManifestFrame] = ()
    _found: dict[int, Cuts | ValidationFailed] = field(default_factory=dict)

    async def of(self, told: ManifestFrame) -> Cuts:
        """The picture of a frame whose size, and channels in layers, are what they must be.

        Raises `ValidationFailed`, `RenderFailed`, `StoreUnavailable`, `HostUnavailable`.
        """
        if told.number not in self._found:
            await self._find(self._together(told))
        found = self._found.pop(told.number)
        if isinstance(found, ValidationFailed):
            raise found
        return found

    def _together(self, told: ManifestFrame) -> Sequence[ManifestFrame]:
        """This frame, and the next ones whose pictures fit into memory with it."""
        count = TOGETHER_BYTES // (_PIXEL_BYTES * told.width * told.height)
        if self.format is ImageFormat.MULTILAYER or count < 2:
            return [told]
        numbers = [frame.number for frame in self.wanted]
        following = self.wanted[numbers.index(told.number) + 1 :] if told.number in numbers else ()
        is_alike = takewhile(lambda frame: _size(frame) == _size(told), following)
        return [told, *is_alike][:count]

    async def _find(self, frames: Sequence[ManifestFrame]) -> None:
        files = dict[int, Path]()
        for told in frames:
            try:
                files[told.number] = await self._file(told)
            except ValidationFailed as error:
                self._found[told.number] = error
                break
        cuts = {told.number: self._cuts(told, files[told.number]) for told in frames if told.number in files}
        try:
            await self._decode(cuts)
        except (ValidationFailed, RenderFailed):
            if len(cuts) == 1:
                raise
            # The others may be good: each is decoded in its turn.
            number = frames[0].number
            await self._decode({number: cuts[number]})

    async def _file(self, told: ManifestFrame) -> Path:
        file = await self.evidence.frame(told)
        if self.format is ImageFormat.PNG:
            await asyncio.to_thread(require_pixels_only, file)
        return file

    def _cuts(self, told: ManifestFrame, file: Path) -> Sequence[Cut]:
        here = whole_region((self.shown.width, self.shown.height))
        whole = Cut(
            file=file,
            kind=KINDS[self.format],
            shown=here,
            wanted=here,
            size=(here.width, here.height),
            most_channels=told.channels.count(",") + 1,
            is_published=True,
        )
        kept = replace(whole, shown=self.shown, wanted=self.kept, size=self.size)
        # A tile of a split still is checked without its border, which the merging cuts off.
        return [whole] if kept == whole else [whole, kept]

    async def _decode(self, cuts: dict[int, Sequence[Cut]]) -> None:
        found = iter(await self.renderer.cut([cut for of_frame in cuts.values() for cut in of_frame]))
        for number, of_frame in cuts.items():
            self._found[number] = [next(found) for _ in of_frame]


def _size(told: ManifestFrame) -> tuple[int, int]:
    return told.width, told.height
