"""Fetches an order's frames into a folder: only what is missing, each decoded in the sandbox and compared."""

from __future__ import annotations

import asyncio
import math
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from veriframe import disk
from veriframe.causes import cause_of
from veriframe.creator.orders.arriving import BATCH, Transfers, arrive, require_room
from veriframe.creator.orders.checking import FrameChecking
from veriframe.creator.orders.fetched import (
    FetchedFrames,
    bad_frames,
    missing_of,
    taken,
    unreached,
)
from veriframe.creator.orders.inspecting import Inspecting, not_inspected
from veriframe.creator.orders.kept_frames import KeptFrames
from veriframe.creator.orders.notes import OrderNote
from veriframe.creator.orders.results import ChunkResults, frames_per_second, usable_rate
from veriframe.creator.orders.values import Chunk, OrderStatus
from veriframe.errors import HostUnavailable, JobError, StoreUnavailable, ValidationFailed
from veriframe.model.bundle.job_file import Bundle
from veriframe.model.bundle.manifest import ManifestFrame
from veriframe.model.rendering.frames import frame_file
from veriframe.model.rendering.scene import SceneInspection, SceneLimits
from veriframe.ports.renderer import Renderer
from veriframe.ports.store import ContentStore

WORK = ".veriframe-work"
"""Within the artist's folder: what has arrived and is not checked yet. A later fetch goes on with it."""


OnFrame = Callable[[int], None]
"""Called with the number of each frame that is in the folder."""
OnCheck = Callable[[int, str, str], None]
"""Called with the job and the CID of each result that was checked, and its fault or an empty text."""

OnInspected = Callable[[str, SceneInspection], None]
"""Called with the CID of an asset whose scene was inspected, and what was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameFetching:
    """Fetches into `kept.folder`. Without a `renderer` nothing is decoded or compared.

    `replace`: files of other content may be replaced. `disk_free_bytes` stay free. `fetch_seconds` are the
    most that the files of one chunk may take. An asset whose frames' size nobody noted is fetched, with at
    most `bundle_bytes`, and inspected.

    Raises `StoreUnavailable` if it gives no result at all, `HostUnavailable`, `SettingsError` if the folder
    cannot be written.
    """

    store: ContentStore
    renderer: Renderer | None
    kept: KeptFrames
    replace: bool = False
    disk_free_bytes: int = 0
    fetch_seconds: float = math.inf
    bundle_bytes: int = SceneLimits().bundle_bytes
    on_frame: OnFrame = lambda number: None
    on_check: OnCheck = lambda job_id, result_cid, fault: None
    on_inspected: OnInspected = lambda asset_cid, inspection: None
    _sizes: dict[str, tuple[int, int] | StoreUnavailable] = field(default_factory=dict)

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
            if bundle is None or not chunk.has_result or chunk.lost_dispute:
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
        # What the creator's own Blender finds counts, and never what a worker says.
        size = bundle.overrides.resolution or (note.size if note else None)
        if size is None and self.renderer is not None:
            size = await self._inspected(self.renderer, chunk.job.order.asset_cid, bundle)
        async with transfers.counted():
            manifest = await results.manifest(chunk, bundle, size)
        rate = usable_rate(note.frames_per_second) if note else 0.0
        found.frames_per_second = rate or found.frames_per_second or frames_per_second(manifest)
        wanted, local = list[ManifestFrame](), list[ManifestFrame]()
        for frame in manifest.frames:
            name = frame_file(frame.number, bundle.format)
            known, is_ours = self.kept.digest(name), self.kept.is_from(name, chunk.job.result_cid)
            if is_ours and (known == frame.digest or (known == "" and self.renderer is None)):
                self._keep(frame, found)
            elif known == frame.digest or (known == "" and self.renderer is None):
                # Of another result: this one must hold the frame itself.
                wanted.append(frame)
            elif not known and self.kept.is_there(name) and self.renderer is not None:
                local.append(frame)
            elif self.kept.is_there(name) and not self.replace:
                found.missing.append(taken(chunk, frame, name))
            else:
                wanted.append(frame)
        checking = FrameChecking(self.renderer, bundle)
        with tempfile.TemporaryDirectory(prefix=".veriframe-", dir=self.kept.folder) as folder:
            work = Path(folder)
            wanted += await self._judge_local(chunk, checking, local, found, work)
            for at in range(0, len(wanted), BATCH):
                batch, place = wanted[at : at + BATCH], work / f"batch-{at}"
                require_room(self.kept.folder, batch, self.disk_free_bytes)
                arriving = self.kept.folder / WORK / str(chunk.job.id)
                async with transfers.counted():
                    await arrive(results, chunk, batch, arriving, place / "fetched")
                await self._take(chunk, checking, batch, found, place)
                await asyncio.to_thread(disk.remove, place)

    async def _inspected(self, renderer: Renderer, asset_cid: str, bundle: Bundle) -> tuple[int, int]:
        """The size of the scene's frames in pixels, as the sandbox has it; each asset is opened once."""
        inspecting = Inspecting(store=self.store, renderer=renderer, bundle_bytes=self.bundle_bytes)
        if asset_cid not in self._sizes:
            with tempfile.TemporaryDirectory(prefix=".veriframe-", dir=self.kept.folder) as folder:
                place = Path(folder) / "asset"
                try:
                    found = await inspecting.inspect(asset_cid, bundle, place)
                except JobError as error:
                    self._sizes[asset_cid] = not_inspected(error)
                else:
                    self._sizes[asset_cid] = found.width, found.height
                    self.on_inspected(asset_cid, found)
        size = self._sizes[asset_cid]
        if isinstance(size, StoreUnavailable):
            raise size
        return size

    def _keep(self, frame: ManifestFrame, found: FetchedFrames) -> None:
        found.kept.append(frame.number)
        self.on_frame(frame.number)

    async def _judge_local(
        self,
        chunk: Chunk,
        checking: FrameChecking,
        local: Sequence[ManifestFrame],
        found: FetchedFrames,
        work: Path,
    ) -> list[ManifestFrame]:
        """Decode files that are there already. Returns the frames that must be fetched in their place."""
        wanted = list[ManifestFrame]()
        for frame in local:
            name, one = checking.name(frame), work / f"local-{frame.number}"
            await asyncio.to_thread(_copy, self.kept.folder / name, one / name)
            digest = await checking.digest(frame, one, work / f"decoded-{frame.number}")
            if digest == frame.digest and self.kept.is_from(name, chunk.job.result_cid):
                self.kept.note(name, digest, chunk.job.result_cid)
                self._keep(frame, found)
            elif digest == frame.digest:
                wanted.append(frame)
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
        self,
        chunk: Chunk,
        checking: FrameChecking,
        wanted: Sequence[ManifestFrame],
        found: FetchedFrames,
        work: Path,
    ) -> None:
        """Check what was fetched, and write what is right under its name."""
        # Shorter than `wanted` once too many were at fault, which `require_hope` tells.
        for frame, outcome in zip(wanted, await checking.check(wanted, work), strict=False):
            if isinstance(outcome, ValidationFailed):
                found.missing.append(bad_frames(chunk, (frame.number,), outcome))
            else:
                digest = frame.digest if self.renderer else ""
                self.kept.put(checking.name(frame), outcome, digest, chunk.job.result_cid)
                self.on_frame(frame.number)
                found.written.append(frame.number)
        await asyncio.to_thread(self.kept.save)
        checking.require_hope()


def _left(chunk: Chunk, found: FetchedFrames) -> tuple[int, ...]:
    """The frames of a chunk of which nothing is told yet."""
    told = {n for one in found.missing if one.job_id == chunk.job.id for n in one.frames}
    return tuple(n for n in chunk.frames if n not in (*found.written, *found.kept, *told))


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir()
    shutil.copyfile(source, target, follow_symlinks=False)
