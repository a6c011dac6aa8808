"""The result of a chunk: its manifest, checked against the job, and its files, fetched one by one."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

from veriframe.creator.orders.values import Chunk
from veriframe.errors import Code, JobRejected, ValidationFailed
from veriframe.model.bundle.job_file import Bundle
from veriframe.model.bundle.manifest import (
    FILE_NAME,
    PREVIEW_NAME,
    Manifest,
    ManifestFrame,
    longest,
    parse_manifest,
)
from veriframe.model.bundle.misfit import misfit
from veriframe.model.rendering.frames import ImageFormat
from veriframe.ports.store import ContentStore, FetchLimits

PREVIEW_BYTES, PREVIEW_FRAME_BYTES = 2**18, 2**16
"""A contact sheet has at most 256×256 pixels of each frame, and a JPEG a byte for each pixel."""
LEAST_FRAMES_PER_SECOND, MOST_FRAMES_PER_SECOND = 1.0, 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkResults:
    """The results in a store. Methods raise `StoreUnavailable`, and `ValidationFailed` for a bad result."""

    store: ContentStore

    async def manifest(self, chunk: Chunk, bundle: Bundle, size: tuple[int, int] | None = None) -> Manifest:
        """What the result says of itself, if it says so of this chunk, and of frames of this size in pixels.

        Raises `ValidationFailed`: BAD_MANIFEST, or the store's code.
        """
        with tempfile.TemporaryDirectory(prefix="veriframe-") as folder:
            target = Path(folder) / FILE_NAME
            has_layers = bundle.split is not None or bundle.format is ImageFormat.MULTILAYER
            await self._fetch(chunk, FILE_NAME, target, longest(len(chunk.frames), has_layers=has_layers))
            content = await asyncio.to_thread(target.read_bytes)
            manifest = await asyncio.to_thread(parse_manifest, content, len(chunk.frames))
        if why := misfit(manifest, chunk.job, chunk.frames, bundle, size):
            raise ValidationFailed(
                Code.BAD_MANIFEST,
                f"The result's manifest.json {why}. Dispute job {chunk.job.id} if an arbiter is named.",
            )
        return manifest

    async def frame(self, chunk: Chunk, frame: ManifestFrame, target: Path) -> None:
        """Fetch one frame's file. Its size is bounded: `manifest` has compared it with the frame's pixels."""
        await self._fetch(chunk, frame.file, target, frame.size_bytes)

    async def preview(self, chunk: Chunk, target: Path) -> None:
        """Fetch the contact sheet of the chunk, as it is."""
        await self._fetch(chunk, PREVIEW_NAME, target, preview_bytes(chunk))

    async def _fetch(self, chunk: Chunk, path: str, target: Path, most_bytes: int) -> None:
        limits = FetchLimits(file_bytes=most_bytes)
        try:
            await self.store.fetch(chunk.job.result_cid, target, limits, path=path)
        except JobRejected as error:
            raise ValidationFailed(error.code, _unfetched(error, path)) from error


def preview_bytes(chunk: Chunk) -> int:
    """The largest contact sheet of a chunk."""
    return PREVIEW_BYTES + len(chunk.frames) * PREVIEW_FRAME_BYTES


def frames_per_second(manifest: Manifest) -> float:
    """The scene's frame rate as the manifest has it; 0 if it has none that can be used."""
    return usable_rate(manifest.settings.get("frames_per_second"))


def usable_rate(found: object) -> float:
    """A frame rate that a film may have; 0 for any other."""
    if isinstance(found, bool) or not isinstance(found, int | float):
        return 0.0
    return float(found) if LEAST_FRAMES_PER_SECOND <= found <= MOST_FRAMES_PER_SECOND else 0.0


def _unfetched(error: JobRejected, path: str) -> str:
    if error.code is Code.NOT_FOUND:
        return "nobody provides it"
    if error.code is Code.CORRUPT:
        return f"the result lacks {path}, or is damaged"
    return f"{path} is not a file of the size that the result claims"
