"""A still that was split over workers: its tiles are fetched, checked, merged and denoised here."""

from __future__ import annotations

import asyncio
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from veriframe.creator.orders.arriving import Transfers, require_room
from veriframe.creator.orders.fetched import FetchedFrames, MissingFrames, bad_frames, missing_of, unreached
from veriframe.creator.orders.fetching import OnCheck
from veriframe.creator.orders.inspecting import Inspecting
from veriframe.creator.orders.kept_frames import KeptFrames
from veriframe.creator.orders.repeats import EarlierOrder
from veriframe.creator.orders.results import ChunkResults, usable_rate
from veriframe.creator.orders.values import Chunk, OrderStatus
from veriframe.errors import Code, JobError, StoreUnavailable, ValidationFailed
from veriframe.model.bundle.chunks import task_of, tile_region
from veriframe.model.bundle.job_file import Bundle
from veriframe.model.rendering.frames import Frame, RenderTask, frame_file
from veriframe.model.rendering.scene import SceneInspection
from veriframe.ports.renderer import Renderer, Tile
from veriframe.ports.store import ContentStore


@dataclass(frozen=True, slots=True, kw_only=True)
class _Still:
    """What is merged, where its bundle lies, and a folder for the work."""

    bundle: Bundle
    inspection: SceneInspection
    asset: Path
    work: Path

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole, in pixels."""
        return self.inspection.width, self.inspection.height


_Tiles = Mapping[int, Sequence[tuple[Chunk, Bundle]]]
"""By the number of the tile, counted from 0: the chunks that render it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StillMerging:
    """Merges into `kept.folder`. `bundle_bytes` is the most that a bundle may have.

    Raises `StoreUnavailable`, `HostUnavailable`, `SettingsError` if the folder cannot be written, and
    `JobError` if the still cannot be merged.
    """

    store: ContentStore
    renderer: Renderer
    kept: KeptFrames
    bundle_bytes: int
    replaces: bool = False
    disk_free_bytes: int = 0
    fetch_seconds: float = math.inf
    on_check: OnCheck = lambda job_id, result_cid, fault: None

    async def fetch(self, status: OrderStatus, others: Sequence[EarlierOrder] = ()) -> FetchedFrames:
        """Make the picture once all tiles have come. Before that, or if one is at fault, say which lack.

        `others` are orders of the same still, with tiles that were lost or that this order lacks.
        """
        bundle = status.bundle
        assert bundle is not None
        assert bundle.split is not None
        (number,) = bundle.frames
        self.kept.open()
        found, name = FetchedFrames(folder=self.kept.folder), frame_file(number, bundle.format)
        if self.kept.digest(name):
            found.kept.append(number)
            return found
        if self.kept.is_there(name) and not self.replaces:
            why = f"another file is called {name}; --force replaces it"
            found.missing.append(
                MissingFrames(frames=(number,), job_id=status.jobs[0].id, why=why, is_taken=True)
            )
            return found
        tiles = _tiles_of(status, bundle, others)
        found.missing += [_missing_tile(tile, offers) for tile, offers in tiles.items() if not _come(offers)]
        if not found.missing:
            await self._make(status, bundle, tiles, found)
        return found

    async def _make(self, status: OrderStatus, bundle: Bundle, offers: _Tiles, found: FetchedFrames) -> None:
        with tempfile.TemporaryDirectory(prefix=".veriframe-", dir=self.kept.folder) as folder:
            work, asset = Path(folder), Path(folder) / "asset"
            inspecting = Inspecting(store=self.store, renderer=self.renderer, bundle_bytes=self.bundle_bytes)
            inspection = await inspecting.inspect(status.order.asset_cid, bundle, asset)
            self.kept.frames_per_second = usable_rate(inspection.frames_per_second)
            still = _Still(bundle=bundle, inspection=inspection, asset=asset, work=work)
            tiles, away, right = list[Tile](), list[StoreUnavailable](), list[Chunk]()
            for some in offers.values():
                bad = list[MissingFrames]()
                for chunk, its_bundle in _come(some):
                    try:
                        tiles.append(await self._tile(chunk, replace(still, bundle=its_bundle)))
                    except JobError as error:
                        bad.append(bad_frames(chunk, chunk.frames, error))
                        self.on_check(chunk.job.id, chunk.job.result_cid, bad[-1].why)
                    except StoreUnavailable as error:
                        away.append(error)
                        bad.append(unreached(chunk, chunk.frames, error))
                    else:
                        right.append(chunk)
                        bad.clear()
                        break
                found.missing += bad
            if away and not tiles:
                raise away[0]
            if not found.missing:
                found.written.append(await self._merge(still, tiles))
                # Only now: what its tiles are worth, the picture shows.
                for chunk in right:
                    self.on_check(chunk.job.id, chunk.job.result_cid, "")

    async def _tile(self, chunk: Chunk, still: _Still) -> Tile:
        """Fetch one tile and check its pixels. Raises `ValidationFailed`."""
        folder, bundle = still.work / f"job-{chunk.job.id}", still.bundle
        out, clean = folder / "out", folder / "clean"
        await asyncio.to_thread(_make_all, out, clean)
        results, transfers = ChunkResults(store=self.store), Transfers(self.fetch_seconds)
        async with transfers.counted():
            manifest = await results.manifest(chunk, bundle, still.size)
        (told,) = manifest.frames
        name = told.file.rpartition("/")[2]
        task = replace(task_of(bundle, chunk.job.part, still.inspection), has_thumbnail=False)
        assert task.region is not None
        if (told.width, told.height) != (task.region.width, task.region.height):
            raise ValidationFailed(Code.WRONG_SIZE, "It is a tile of another size.")
        require_room(still.work, [told], self.disk_free_bytes)
        async with transfers.counted():
            await results.frame(chunk, told, out / name)
        frame = Frame(
            number=told.number,
            file=name,
            width=told.width,
            height=told.height,
            seconds=told.seconds,
            peak_memory_bytes=told.peak_memory_bytes,
        )
        (validated,) = await self.renderer.validate(task, [frame], out, clean)
        if validated.pixel_digest != told.digest:
            raise ValidationFailed(Code.TAMPER, "Its pixels are not those that the manifest names.")
        assert bundle.split is not None
        assert chunk.tile is not None
        kept = tile_region(bundle.split, chunk.tile, still.size)
        return Tile(file=clean / validated.file, shown=task.region, kept=kept)

    async def _merge(self, still: _Still, tiles: Sequence[Tile]) -> int:
        """Merge and check the picture, and write it. Returns its frame's number."""
        out, clean, bundle = still.work / "merged", still.work / "clean", still.bundle
        await asyncio.to_thread(_make_all, out, clean)
        task = RenderTask(
            frames=bundle.frames, format=bundle.format, size=still.size, overrides=bundle.overrides
        )
        frame = await self.renderer.merge(still.asset / bundle.scene, tiles, task, out, still.asset)
        (validated,) = await self.renderer.validate(task, [frame], out, clean)
        name = frame_file(validated.number, bundle.format)
        self.kept.put(name, clean / validated.file, validated.pixel_digest)
        self.kept.save()
        return validated.number


def _tiles_of(status: OrderStatus, bundle: Bundle, others: Sequence[EarlierOrder]) -> _Tiles:
    """The chunks of each tile, with their bundles: first those that were found right, then the newest."""
    offers = [(chunk, bundle) for chunk in status.chunks]
    offers += [(chunk, other.bundle) for other in others for chunk in other.chunks if _is_of(chunk, bundle)]
    once = {chunk.job.id: (chunk, its_bundle) for chunk, its_bundle in offers}
    ordered = sorted(once.values(), key=lambda offer: (not offer[0].is_right, -offer[0].job.id))
    assert bundle.split is not None
    return {tile: [one for one in ordered if one[0].tile == tile] for tile in range(bundle.split.tiles)}


def _is_of(chunk: Chunk, bundle: Bundle) -> bool:
    return chunk.frames == bundle.frames


def _come(offers: Sequence[tuple[Chunk, Bundle]]) -> list[tuple[Chunk, Bundle]]:
    return [offer for offer in offers if offer[0].has_result and not offer[0].lost_dispute]


def _missing_tile(tile: int, offers: Sequence[tuple[Chunk, Bundle]]) -> MissingFrames:
    """Why a tile has not come: what is still awaited goes before what is lost."""
    if not offers:
        why = f"tile {tile + 1} is of an order that this machine has no note of: fetch where you posted it"
        return MissingFrames(frames=(), job_id=None, why=why)
    return missing_of(min((chunk for chunk, _ in offers), key=lambda chunk: chunk.state.is_over))


def _make_all(*folders: Path) -> None:
    for folder in folders:
        folder.mkdir(parents=True)
