"""The result of a chunk: its manifest, checked against the job, and its files, fetched one by one."""

from __future__ import annotations

import asyncio
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

from veriframe.creator.orders.values import Chunk
from veriframe.errors import Code, JobRejected, ValidationFailed
from veriframe.model.bundle.job_file import Bundle
from veriframe.model.bundle.manifest import (
    FILE_NAME,
    FRAMES_FOLDER,
    MOST_BYTES,
    PREVIEW_NAME,
    Manifest,
    ManifestFrame,
    parse_manifest,
)
from veriframe.model.content.cid import canonical_or_same
from veriframe.model.registry.job import format_address
from veriframe.model.rendering.frames import ImageFormat, frame_file
from veriframe.ports.store import ContentStore, FetchLimits

FRAME_BYTES = 2 * 2**30
PREVIEW_BYTES = 16 * 2**20
MOST_FRAMES_PER_SECOND = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkResults:
    """The results in a store. Methods raise `StoreUnavailable`, and `ValidationFailed` for a bad result."""

    store: ContentStore

    async def manifest(self, chunk: Chunk, bundle: Bundle) -> Manifest:
        """What the result says of itself, if it says so of this chunk.

        Raises `ValidationFailed`: BAD_MANIFEST, or the store's code.
        """
        with tempfile.TemporaryDirectory(prefix="veriframe-") as folder:
            target = Path(folder) / FILE_NAME
            await self._fetch(chunk, FILE_NAME, target, MOST_BYTES)
            manifest = parse_manifest(await asyncio.to_thread(target.read_bytes))
        if why := _misfit(manifest, chunk, bundle):
            raise ValidationFailed(
                Code.BAD_MANIFEST,
                f"The result's manifest.json {why}. Dispute job {chunk.job.id} if an arbiter is named.",
            )
        return manifest

    async def frame(self, chunk: Chunk, frame: ManifestFrame, target: Path) -> None:
        """Fetch one frame's file."""
        await self._fetch(chunk, frame.file, target, min(frame.size_bytes, FRAME_BYTES))

    async def preview(self, chunk: Chunk, target: Path) -> None:
        """Fetch the contact sheet of the chunk, as it is."""
        await self._fetch(chunk, PREVIEW_NAME, target, PREVIEW_BYTES)

    async def _fetch(self, chunk: Chunk, path: str, target: Path, most_bytes: int) -> None:
        limits = FetchLimits(file_bytes=most_bytes)
        try:
            await self.store.fetch(chunk.job.result_cid, target, limits, path=path)
        except JobRejected as error:
            raise ValidationFailed(error.code, _unfetched(error, path)) from error


def frames_per_second(manifest: Manifest) -> float:
    """The scene's frame rate as the manifest has it; 0 if it has none that can be used."""
    found = manifest.settings.get("frames_per_second")
    if isinstance(found, bool) or not isinstance(found, int | float):
        return 0.0
    return float(found) if math.isfinite(found) and 0 < found <= MOST_FRAMES_PER_SECOND else 0.0


def _misfit(manifest: Manifest, chunk: Chunk, bundle: Bundle) -> str:
    """Why a manifest is not that of the chunk, or an empty text."""
    job, asset_cid = chunk.job, canonical_or_same(chunk.job.order.asset_cid)
    comparisons = (
        (
            (manifest.job, manifest.order, manifest.part),
            (job.id, job.order.id, job.part),
            "is of another job",
        ),
        (canonical_or_same(manifest.asset), asset_cid, "names another asset"),
        (manifest.worker, format_address(job.worker), "names another worker"),
        (tuple(frame.number for frame in manifest.frames), chunk.frames, "has other frames than the chunk"),
    )
    for found, expected, why in comparisons:
        if found != expected:
            return why
    return next(filter(None, (_unfit(frame, bundle) for frame in manifest.frames)), "")


def _unfit(frame: ManifestFrame, bundle: Bundle) -> str:
    image_format = bundle.format if bundle.split is None else ImageFormat.MULTILAYER
    if frame.file != f"{FRAMES_FOLDER}/{frame_file(frame.number, image_format)}":
        return f"has frame {frame.number} in another format"
    asked = bundle.overrides.resolution
    if asked is not None and bundle.split is None and asked != (frame.width, frame.height):
        return f"has frame {frame.number} in another size"
    return ""


def _unfetched(error: JobRejected, path: str) -> str:
    if error.code is Code.NOT_FOUND:
        return "nobody provides it"
    if error.code is Code.CORRUPT:
        return f"the result lacks {path}, or is damaged"
    return f"{path} is not a file of the size that the result claims"
