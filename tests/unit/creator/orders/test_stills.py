"""Stills that were split over workers: merged once all tiles have come and are right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.renderer import Script
from tests.unit.creator.orders.studio import BUNDLE, Studio, digest_of, picture

from veriframe.creator.orders.fetched import FetchedFrames
from veriframe.creator.orders.kept_frames import KeptFrames
from veriframe.creator.orders.repeats import EarlierOrder, Repeats
from veriframe.creator.orders.stills import StillMerging
from veriframe.creator.orders.values import Chunk
from veriframe.errors import Code, StoreUnavailable, ValidationFailed
from veriframe.model.bundle.chunks import TILE_BORDER_PIXELS, tile_region, with_border
from veriframe.model.bundle.job_file import Split
from veriframe.model.bundle.manifest import ManifestFrame
from veriframe.model.rendering.overrides import Overrides
from veriframe.ports.store import Fetched, FetchLimits

INSPECTED = Script().inspection
SIZE = INSPECTED.width, INSPECTED.height
SPLIT = Split(columns=2, rows=2)
STILL = replace(BUNDLE, frames=(7,), chunk=1, split=SPLIT, overrides=Overrides(resolution=SIZE))


def _tile(part: int) -> tuple[int, int]:
    region = with_border(tile_region(SPLIT, part, SIZE), SIZE)
    assert region.width == SIZE[0] // 2 + TILE_BORDER_PIXELS
    return region.width, region.height


async def _deliver(studio: Studio, chunk: Chunk, digest: str = "") -> None:
    """Submit a tile; the fake renderer opens any picture, whatever its name."""
    assert chunk.tile is not None
    width, height = _tile(chunk.tile)
    content = picture(chunk.tile, (width, height))
    frame = ManifestFrame(
        number=7,
        file="frames/frame_0007.exr",
        width=width,
        height=height,
        channels="R,G,B",
        depth=32,
        size_bytes=len(content),
        digest=digest or digest_of(content),
        proof=None,
        seconds=1.0,
        peak_memory_bytes=2**28,
    )
    await studio.deliver(chunk, {"frames/frame_0007.exr": content}, frames=(frame,))


async def _fetch(studio: Studio, number: int, others: Sequence[EarlierOrder] = ()) -> FetchedFrames:
    merging = StillMerging(
        store=studio.store,
        renderer=studio.renderer,
        kept=KeptFrames(studio.folder / "out"),
        bundle_bytes=2**20,
        on_check=studio.notes.note_check,
    )
    return await merging.fetch(await studio.status(number), others)


async def _others(studio: Studio) -> Sequence[EarlierOrder]:
    """All orders of the still, by the notes."""
    repeats = Repeats(reader=studio.creator.registry, notes=studio.notes, account=studio.creator.account)
    (key,) = {note.scene_key for note in studio.notes.read_orders().values()}
    return await repeats.find(key, STILL)


async def test_tiles_are_merged_once_all_have_come(studio: Studio) -> None:
    """Each with its region; the picture has the frame's name, and is not merged again."""
    number = (await studio.ordered(STILL)).number
    chunks = (await studio.status(number)).chunks
    for chunk in chunks[:3]:
        await _deliver(studio, chunk)
    found = await _fetch(studio, number)
    assert [(one.job_id, one.is_bad) for one in found.missing] == [(4, False)]
    assert (studio.frames(), studio.renderer.merged) == ([], [])
    await _deliver(studio, chunks[3])
    assert (await _fetch(studio, number)).written == [7]
    assert all(chunk.is_right for chunk in (await studio.status(number)).chunks)
    assert studio.frames() == ["frame_0007.png"]
    ((*tiles,),) = studio.renderer.merged
    assert [tile.kept for tile in tiles] == [tile_region(SPLIT, part, SIZE) for part in range(4)]
    assert [tile.shown for tile in tiles] == [with_border(tile.kept, SIZE) for tile in tiles]
    assert (await _fetch(studio, number)).kept == [7]
    assert len(studio.renderer.merged) == 1


async def test_a_tile_at_fault_stops_the_merge(studio: Studio) -> None:
    """fault_177: it is named with its job."""
    number = (await studio.ordered(STILL)).number
    for chunk in (await studio.status(number)).chunks:
        await _deliver(studio, chunk, "00" * 32 if chunk.job.part == 2 else "")
    found = await _fetch(studio, number)
    assert [(one.job_id, one.is_bad) for one in found.missing] == [(3, True)]
    assert "TAMPER" in found.missing[0].why
    assert studio.renderer.merged == []
    chunks = (await studio.status(number)).chunks
    assert [chunk.fault[:4] for chunk in chunks] == ["", "", "Its ", ""]
    assert not any(chunk.is_right for chunk in chunks)


async def test_tiles_that_cannot_be_merged_are_not_right(studio: Studio) -> None:
    """fault_285: nobody is paid for a picture that did not come."""
    number = (await studio.ordered(STILL)).number
    for chunk in (await studio.status(number)).chunks:
        await _deliver(studio, chunk)
    studio.renderer.merge_failures.append(ValidationFailed(Code.NOT_IMAGE, "The tiles cannot be merged."))
    with pytest.raises(ValidationFailed):
        await _fetch(studio, number)
    assert not any(chunk.is_right for chunk in (await studio.status(number)).chunks)
    assert (await _fetch(studio, number)).written == [7]
    assert all(chunk.is_right for chunk in (await studio.status(number)).chunks)


async def test_a_lost_tile_is_rendered_alone(studio: Studio) -> None:
    """fault_226: an order of one tile; either order's fetch merges the tiles of both."""
    first = (await studio.ordered(STILL)).number
    chunks = (await studio.status(first)).chunks
    for chunk in (chunks[0], chunks[1], chunks[3]):
        await _deliver(studio, chunk)
    await studio.decisions.cancel(first, lambda chunk: True)
    second = (await studio.ordered(replace(STILL, split=replace(SPLIT, only=(2,))))).number
    (lost,) = (await studio.status(second)).chunks
    assert (lost.job.part, lost.tile, lost.job.order.jobs) == (0, 2, 1)
    found = await _fetch(studio, first, await _others(studio))
    assert [(one.job_id, one.why) for one in found.missing] == [(lost.job.id, "no worker has claimed it yet")]
    await _deliver(studio, lost)
    assert "no note" in (await _fetch(studio, second)).missing[0].why
    assert (await _fetch(studio, second, await _others(studio))).written == [7]
    ((*tiles,),) = studio.renderer.merged
    assert [tile.kept for tile in tiles] == [tile_region(SPLIT, part, SIZE) for part in range(4)]
    assert [tile.shown for tile in tiles] == [with_border(tile.kept, SIZE) for tile in tiles]
    for number in (first, second):
        assert all(one.is_right for one in (await studio.status(number)).chunks if one.has_result)


async def test_a_tile_at_fault_gives_way_to_one_that_is_right(studio: Studio) -> None:
    """fault_226: of another order, whichever is newer; the fault is noted nevertheless."""
    first = (await studio.ordered(STILL)).number
    second = (await studio.ordered(replace(STILL, split=replace(SPLIT, only=(2,))))).number
    for chunk in (await studio.status(first)).chunks:
        await _deliver(studio, chunk)
    (bad,) = (await studio.status(second)).chunks
    await _deliver(studio, bad, "00" * 32)
    assert (await _fetch(studio, first, await _others(studio))).written == [7]
    assert (await studio.status(second)).chunks[0].fault.startswith("Its pixels")


async def test_a_still_counts_as_one_frame(studio: Studio) -> None:
    """It has come with its last tile."""
    number = (await studio.ordered(STILL)).number
    chunks = (await studio.status(number)).chunks
    assert (len(chunks), (await studio.status(number)).frames) == (4, 1)
    for chunk in chunks:
        assert (await studio.status(number)).frames_there == 0
        await _deliver(studio, chunk)
    assert (await studio.status(number)).frames_there == 1


async def test_a_tile_that_does_not_come_is_nobodys_fault(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_281: the others are checked meanwhile, and what is lacking is told."""
    number = (await studio.ordered(STILL)).number
    for chunk in (await studio.status(number)).chunks:
        await _deliver(studio, chunk)
    chunks, real = (await studio.status(number)).chunks, studio.store.fetch

    async def fetch(cid: str, target: Path, limits: FetchLimits, *, path: str = "") -> Fetched:
        if cid == chunks[1].job.result_cid:
            raise StoreUnavailable("It arrives at 5 KiB a second.")
        return await real(cid, target, limits, path=path)

    monkeypatch.setattr(studio.store, "fetch", fetch)
    found = await _fetch(studio, number)
    assert [(one.job_id, one.is_bad) for one in found.missing] == [(2, False)]
    monkeypatch.setattr(studio.store, "fetch", real)
    assert (await _fetch(studio, number)).written == [7]
