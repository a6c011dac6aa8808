"""Checks fetched frames: decodes them in the sandbox, and compares them with what the manifest says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from veriframe.errors import Code, ValidationFailed
from veriframe.model.bundle.job_file import Bundle
from veriframe.model.bundle.manifest import ManifestFrame
from veriframe.model.rendering.frames import Frame, RenderTask, ValidatedFrame, frame_file
from veriframe.ports.renderer import Renderer

MOST_BAD = 3
"""After so many frames at fault, the others of a chunk are not looked at: each may take long."""


class FrameChecking:
    """The checks of one chunk's frames. Without a `renderer` they are taken as they are."""

    def __init__(self, renderer: Renderer | None, bundle: Bundle) -> None:
        """Decodes nothing yet."""
        self.renderer, self._bundle = renderer, bundle
        self._bad = 0

    def name(self, frame: ManifestFrame) -> str:
        """The name of a frame's file."""
        return frame_file(frame.number, self._bundle.format)

    async def digest(self, frame: ManifestFrame, out: Path, clean: Path) -> str:
        """The digest of one file in `out`, empty if it is no such picture."""
        try:
            (found,) = await self._decoded([frame], out, clean)
        except ValidationFailed:
            return ""
        return found.pixel_digest

    async def check(self, frames: Sequence[ManifestFrame], work: Path) -> list[Path | ValidationFailed]:
        """Check the files in `work/fetched`. Returns the clean file of each frame, or its fault.

        Shorter than `frames` if too many of the chunk are at fault.
        """
        clean = work / "clean"
        if self.renderer is None:
            return [work / "fetched" / self.name(frame) for frame in frames]
        try:
            found = await self._decoded(frames, work / "fetched", clean)
        except ValidationFailed as error:
            if len(frames) > 1:
                return await self._one_by_one(frames, work)
            outcomes: list[Path | ValidationFailed] = [error]
        else:
            outcomes = [_compared(*pair, clean) for pair in zip(frames, found, strict=True)]
        self._bad += sum(isinstance(one, ValidationFailed) for one in outcomes)
        return outcomes

    def require_hope(self) -> None:
        """Raise `ValidationFailed` once too many frames were at fault."""
        if self._bad >= MOST_BAD:
            raise ValidationFailed(
                Code.NOT_IMAGE, f"it was not looked at, after {MOST_BAD} frames of its chunk at fault"
            )

    async def _one_by_one(self, frames: Sequence[ManifestFrame], work: Path) -> list[Path | ValidationFailed]:
        """After frames failed together: which of them are right."""
        outcomes = list[Path | ValidationFailed]()
        for frame in frames:
            if self._bad >= MOST_BAD:
                break
            name, one = self.name(frame), work / f"one-{frame.number}"
            (one / "fetched").mkdir(parents=True)
            (work / "fetched" / name).replace(one / "fetched" / name)
            outcomes += await self.check([frame], one)
        return outcomes

    async def _decoded(
        self, frames: Sequence[ManifestFrame], out: Path, clean: Path
    ) -> Sequence[ValidatedFrame]:
        sizes = {(frame.width, frame.height) for frame in frames}
        if len(sizes) != 1:
            raise ValidationFailed(Code.WRONG_SIZE, "The frames of the chunk differ in size.")
        await asyncio.to_thread(clean.mkdir)
        task = RenderTask(
            frames=tuple(frame.number for frame in frames),
            format=self._bundle.format,
            size=sizes.pop(),
            overrides=self._bundle.overrides,
        )
        assert self.renderer is not None
        return await self.renderer.validate(task, [self._told(frame) for frame in frames], out, clean)

    def _told(self, frame: ManifestFrame) -> Frame:
        return Frame(
            number=frame.number,
            file=self.name(frame),
            width=frame.width,
            height=frame.height,
            seconds=frame.seconds,
            peak_memory_bytes=frame.peak_memory_bytes,
        )


def _compared(frame: ManifestFrame, found: ValidatedFrame, clean: Path) -> Path | ValidationFailed:
    if found.pixel_digest != frame.digest:
        return ValidationFailed(Code.TAMPER, "its pixels are not those that the manifest names")
    if (found.channel_names, found.bit_depth) != (frame.channels, frame.depth):
        return ValidationFailed(
            Code.TAMPER, "its channels or its depth are not those that the manifest names"
        )
    return clean / found.file
