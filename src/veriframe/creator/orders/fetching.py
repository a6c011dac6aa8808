"""Fetches an order's frames into a folder: only what is missing, each decoded in the sandbox and compared."""

from __future__ import annotations

import asyncio
import math
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from veriframe import disk
from veriframe.causes import cause_of
from veriframe.creator.orders.arriving import BATCH, Transfers, arrive, require_room
from veriframe.creator.orders.fetched import (
    FetchedFrames,
    bad_frames,
    missing_of,
    other_pixels,
    taken,
    unreached,
)
from veriframe.creator.orders.kept_frames import KeptFrames
from veriframe.creator.orders.notes import OrderNote
from veriframe.creator.orders.results import ChunkResults, frames_per_second, usable_rate
from veriframe.creator.orders.values import Chunk, OrderStatus
from veriframe.errors import Code, HostUnavailable, JobError, StoreUnavailable, ValidationFailed
from veriframe.model.bundle.job_file import Bundle
from veriframe.model.bundle.manifest import ManifestFrame
from veriframe.model.rendering.frames import Frame, RenderTask, frame_file
from veriframe.ports.renderer import Renderer
from veriframe.ports.store import ContentStore

WORK = ".veriframe-work"
"""Within the artist's folder: what has arrived and is not checked yet. A later fetch goes on with it."""


OnFrame = Callable[[int], None]
"""Called with the number of each frame that is in the folder."""
OnCheck = Callable[[int, str, str], None]
"""Called with the job and the CID of each result that was checked, and its fault or an empty text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameFetching:
    """Fetches into `kept.folder`. Without a `renderer` nothing is decoded or compared.

    `replace`: files of other content may be replaced. `disk_free_bytes` stay free. `fetch_seconds` are the
    most that the files of one chunk may take.

    Raises `StoreUnavailable` if it gives no result at all, `HostUnavailable`, `SettingsError` if the folder
    cannot be written.
    """

    store: ContentStore
    renderer: Renderer | None
    kept: KeptFrames
    replace: bool = False
    disk_free_bytes: int = 0
    fetch_seconds: float = math.inf
    on_frame: OnFrame = lambda number: None
    on_check: OnCheck = lambda job_id, result_cid, fault: None

    async def fetch(self, status: OrderStatus) -> FetchedFrames:
        """Fetch all that has come. What is at fault or has not come is told, and the rest goes on."""
        self.kept.open()
        try:
            return await self._fetch(status)
        except (HostUnavailable, OSError) as error:
            # What has arrived would only fill the disk; after another outage, it is kept for the next time.
            await asyncio.to_thread(disk.remove, self.kept.folder / WORK)
            if isinstance(error, HostUnavailable):
                raise
            raise HostUnavailable(
                f"{self.kept.folder} cannot be written: {cause_of(error)}. Free some disk, or pass a folder"
                " on another one with -o, and fetch again: frames that are there stay."
            ) from error

    async def _fetch(self, status: OrderStatus) -> FetchedFrames:
        found = FetchedFrames(folder=self.kept.folder)
        away, tried = list[StoreUnavailable](), 0
        for chunk in status.chunks:
            bundle = status.bundles.get(chunk.job.order.id)
            if bundle is None or not chunk.has_result:
                found.missing.append(missing_of(chunk))
                continue
            tried += 1
            try:
                await self._chunk(chunk, bundle, status.notes.get(chunk.job.order.asset_cid), found)
            except JobError as error:
                found.missing.append(bad_frames(chunk, _left(chunk, found), error))
            except StoreUnavailable as error:
                # Whoever provides one result must not hold up the others.
                away.append(error)
                found.missing.append(unreached(chunk, _left(chunk, found), error))
            finally:
                self.kept.frames_per_second = found.frames_per_second or self.kept.frames_per_second
                await asyncio.to_thread(self.kept.save)
            self._note(chunk, found)
        if away and len(away) == tried:
            raise away[0]
        if not away:
            await asyncio.to_thread(disk.remove, self.kept.folder / WORK)
        return found

    def _note(self, chunk: Chunk, found: FetchedFrames) -> None:
        """Note whether a result is right: all of its frames are in the folder, and were decoded."""
        lacks = [one for one in found.missing if one.job_id == chunk.job.id]
        bad = next((one.why for one in lacks if one.is_bad), "")
        if bad or (self.renderer is not None and not lacks):
            self.on_check(chunk.job.id, chunk.job.result_cid, bad)

    async def _chunk(
        self, chunk: Chunk, bundle: Bundle, note: OrderNote | None, found: FetchedFrames
    ) -> None:
        results, transfers = ChunkResults(store=self.store), Transfers(self.fetch_seconds)
        # What the creator's own Blender found goes before what workers say.
        size = bundle.overrides.resolution or (note.size if note else None) or found.size
        async with transfers.counted():
            manifest = await results.manifest(chunk, bundle, size)
        rate = usable_rate(note.frames_per_second) if note else 0.0
        found.frames_per_second = rate or found.frames_per_second or frames_per_second(manifest)
        first = manifest.frames[0]
        wanted, local = list[ManifestFrame](), list[ManifestFrame]()
        for frame in manifest.frames:
            name = frame_file(frame.number, bundle.format)
            known = self.kept.digest(name)
            if known == frame.digest or (known == "" and self.renderer is None):
                self._keep(frame, found)
            elif not known and self.kept.is_there(name) and self.renderer is not None:
                local.append(frame)
            elif self.kept.is_there(name) and not self.replace:
                found.missing.append(taken(chunk, frame, name))
            else:
                wanted.append(frame)
        with tempfile.TemporaryDirectory(prefix=".veriframe-", dir=self.kept.folder) as folder:
            work = Path(folder)
            wanted += await self._judge_local(chunk, bundle, local, found, work)
            for at in range(0, len(wanted), BATCH):
                batch, place = wanted[at : at + BATCH], work / f"batch-{at}"
                require_room(self.kept.folder, batch, self.disk_free_bytes)
                arriving = self.kept.folder / WORK / str(chunk.job.id)
                async with transfers.counted():
                    await arrive(results, chunk, batch, arriving, place / "fetched")
                await self._take(chunk, bundle, batch, found, place)
                await asyncio.to_thread(disk.remove, place)
        if not any(one.job_id == chunk.job.id for one in found.missing):
            found.size = first.width, first.height

    def _keep(self, frame: ManifestFrame, found: FetchedFrames) -> None:
        found.kept.append(frame.number)
        self.on_frame(frame.number)

    async def _judge_local(
        self,
        chunk: Chunk,
        bundle: Bundle,
        local: Sequence[ManifestFrame],
        found: FetchedFrames,
        work: Path,
    ) -> list[ManifestFrame]:
        """Decode files that are there already. Returns the frames that must be fetched in their place."""
        wanted = list[ManifestFrame]()
        for frame in local:
            name = frame_file(frame.number, bundle.format)
            one = work / f"local-{frame.number}"
            await asyncio.to_thread(_copy, self.kept.folder / name, one / name)
            try:
                (digest, _) = (await self._decoded(bundle, [frame], one, work / f"decoded-{frame.number}"))[0]
            except ValidationFailed:
                digest = ""
            if digest == frame.digest:
                self.kept.note(name, digest)
                self._keep(frame, found)
            elif self.kept.digest(name) == "":
                # Ours, taken without a check.
                (self.kept.folder / name).unlink()
                wanted.append(frame)
            elif self.replace:
                wanted.append(frame)
            else:
                found.missing.append(taken(chunk, frame, name))
        return wanted

    async def _take(
        self, chunk: Chunk, bundle: Bundle, wanted: Sequence[ManifestFrame], found: FetchedFrames, work: Path
    ) -> None:
        """Check what was fetched, and write what is right under its name."""
        if not wanted:
            return
        if self.renderer is None:
            for frame in wanted:
                self._write(frame, bundle, work / "fetched" / frame_file(frame.number, bundle.format), "")
                found.written.append(frame.number)
            return
        try:
            checked = await self._decoded(bundle, wanted, work / "fetched", work / "clean")
            outcomes: list[tuple[str, Path] | ValidationFailed] = [*checked]
        except ValidationFailed as error:
            outcomes = [error] if len(wanted) == 1 else await self._one_by_one(bundle, wanted, work)
        for frame, outcome in zip(wanted, outcomes, strict=True):
            if isinstance(outcome, ValidationFailed):
                found.missing.append(bad_frames(chunk, (frame.number,), outcome))
            elif outcome[0] != frame.digest:
                found.missing.append(other_pixels(chunk, frame))
            else:
                self._write(frame, bundle, outcome[1], frame.digest)
                found.written.append(frame.number)

    async def _one_by_one(
        self, bundle: Bundle, wanted: Sequence[ManifestFrame], work: Path
    ) -> list[tuple[str, Path] | ValidationFailed]:
        """After a chunk failed as a whole: which frames are right."""
        outcomes = list[tuple[str, Path] | ValidationFailed]()
        for frame in wanted:
            name, one = frame_file(frame.number, bundle.format), work / f"one-{frame.number}"
            one.mkdir()
            (work / "fetched" / name).replace(one / name)
            try:
                outcomes += await self._decoded(bundle, [frame], one, work / f"clean-{frame.number}")
            except ValidationFailed as error:
                outcomes.append(error)
        return outcomes

    async def _decoded(
        self, bundle: Bundle, frames: Sequence[ManifestFrame], out: Path, clean: Path
    ) -> list[tuple[str, Path]]:
        """Decode frames in the clean sandbox. Returns each one's digest, and its file written anew."""
        assert self.renderer is not None
        sizes = {(frame.width, frame.height) for frame in frames}
        if len(sizes) != 1:
            raise ValidationFailed(Code.WRONG_SIZE, "The frames of the chunk differ in size.")
        await asyncio.to_thread(clean.mkdir)
        task = RenderTask(
            frames=tuple(frame.number for frame in frames),
            format=bundle.format,
            size=sizes.pop(),
            overrides=bundle.overrides,
        )
        told = [_told(frame, bundle) for frame in frames]
        validated = await self.renderer.validate(task, told, out, clean)
        return [(one.pixel_digest, clean / one.file) for one in validated]

    def _write(self, frame: ManifestFrame, bundle: Bundle, file: Path, digest: str) -> None:
        self.kept.put(frame_file(frame.number, bundle.format), file, digest)
        self.on_frame(frame.number)


def _left(chunk: Chunk, found: FetchedFrames) -> tuple[int, ...]:
    """The frames of a chunk of which nothing is told yet."""
    told = {n for one in found.missing if one.job_id == chunk.job.id for n in one.frames}
    return tuple(n for n in chunk.frames if n not in (*found.written, *found.kept, *told))


def _told(frame: ManifestFrame, bundle: Bundle) -> Frame:
    return Frame(
        number=frame.number,
        file=frame_file(frame.number, bundle.format),
        width=frame.width,
        height=frame.height,
        seconds=frame.seconds,
        peak_memory_bytes=frame.peak_memory_bytes,
    )


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir()
    shutil.copyfile(source, target, follow_symlinks=False)
