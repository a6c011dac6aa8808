"""Stills that were split over workers: merged once all tiles have come and are right."""

from __future__ import annotations

from dataclasses import replace

from tests.fakes.renderer import Script
from tests.unit.creator.orders.studio import BUNDLE, Studio, digest_of, picture

from veriframe.creator.orders.fetched import FetchedFrames
from veriframe.creator.orders.kept_frames import KeptFrames
from veriframe.creator.orders.stills import StillMerging
from veriframe.creator.orders.values import Chunk
from veriframe.model.bundle.chunks import TILE_BORDER_PIXELS, tile_region, with_border
from veriframe.model.bundle.job_file import Split
from veriframe.model.bundle.manifest import ManifestFrame
from veriframe.model.rendering.overrides import Overrides

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
    width, height = _tile(chunk.job.part)
    content = picture(chunk.job.part, (width, height))
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


async def _fetch(studio: Studio, number: int) -> FetchedFrames:
    merging = StillMerging(
        store=studio.store,
        renderer=studio.renderer,
        kept=KeptFrames(studio.folder / "out"),
        bundle_bytes=2**20,
        on_check=studio.notes.note_check,
    )
    return await merging.fetch(await studio.status(number))


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
    assert [chunk.fault[:4] for chunk in (await studio.status(number)).chunks] == ["", "", "Its ", ""]


async def test_a_still_counts_as_one_frame(studio: Studio) -> None:
    """It has come with its last tile."""
    number = (await studio.ordered(STILL)).number
    chunks = (await studio.status(number)).chunks
    assert (len(chunks), (await studio.status(number)).frames) == (4, 1)
    for chunk in chunks:
        assert (await studio.status(number)).frames_there == 0
        await _deliver(studio, chunk)
    assert (await studio.status(number)).frames_there == 1
