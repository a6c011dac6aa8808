"""What a manifest may say of its frames: sizes, bytes and the rate are bounded before anything is fetched."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.creator.orders.studio import OFFER, RATE, SIZE, Studio, picture

from veriframe.creator.orders.kept_frames import RECORD, KeptFrames
from veriframe.creator.orders.notes import OrderNote
from veriframe.creator.orders.posting import read_bundle
from veriframe.creator.orders.results import usable_rate
from veriframe.model.bundle.manifest import ManifestFrame


async def _posted(studio: Studio, note: OrderNote) -> int:
    folder = studio.bundle()
    draft = await studio.posting.draft(folder, read_bundle(folder), OFFER, note)
    return (await studio.posting.post(draft)).number


async def _fetched(studio: Studio, number: int, *, checked: bool = True, **changes: int) -> str:
    """Fetch an order whose first chunk has frames with these changes. Returns what is told of them."""
    chunk = (await studio.status(number)).chunks[0]
    frames = studio.manifest(chunk, [picture(one) for one in chunk.frames]).frames
    changed = tuple(replace(frame, **changes) for frame in frames)  # type: ignore[arg-type]
    await studio.deliver(chunk, frames=changed)
    studio.store.fetched.clear()
    found = await studio.fetch(number, checked=checked)
    assert [path for _, path in studio.store.fetched] == ["manifest.json"]
    return found.missing[0].why


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"width": 65_536, "height": 1000}, "million pixels"),
        ({"size_bytes": 2**30}, "larger than its pixels take"),
    ],
)
async def test_frames_that_are_too_large_are_not_fetched(
    studio: Studio, changes: dict[str, int], told: str
) -> None:
    """fault_217: by their pixels, if nobody can look at the scene, and by their bytes for their pixels."""
    number = (await studio.ordered(size=None)).number
    assert told in await _fetched(studio, number, checked=False, **changes)


async def test_frames_have_the_size_of_the_creators_scene(studio: Studio) -> None:
    """fault_216: as the creator's own Blender found it, though no --resolution was given."""
    number = await _posted(studio, OrderNote(name="shot.blend", size=(64, 36)))
    assert "in another size" in await _fetched(studio, number)


async def test_frames_of_unknown_size_are_alike(studio: Studio) -> None:
    """fault_216: within a chunk, and in all of them."""
    number = (await studio.ordered()).number
    first, second, third = (await studio.status(number)).chunks
    await studio.deliver(first)
    frames = studio.manifest(second, [picture(one) for one in second.frames]).frames
    await studio.deliver(second, frames=(replace(frames[0], width=8), *frames[1:]))
    small = {f"frames/frame_{one:04d}.png": picture(one, (8, 8)) for one in third.frames}
    told = studio.manifest(third, list(small.values())).frames
    shrunk: tuple[ManifestFrame, ...] = tuple(replace(one, width=8) for one in told)
    await studio.deliver(third, small, frames=shrunk)
    found = await studio.fetch(number)
    assert found.written == [1, 2, 3, 4]
    assert ["in another size" in one.why for one in found.missing] == [True, True]


async def test_the_rate_is_the_creators_own(studio: Studio) -> None:
    """fault_218: not a worker's, if the creator's Blender has looked at the scene."""
    number = await _posted(studio, OrderNote(name="shot.blend", size=SIZE, frames_per_second=30.0))
    await studio.deliver((await studio.status(number)).chunks[0])
    assert (await studio.fetch(number)).frames_per_second == 30.0 != RATE


@pytest.mark.parametrize("rate", [1e-300, 0, -1, 0.5, 1001, float("inf"), float("nan"), True, "24", None])
def test_a_rate_that_no_film_has_is_not_known(rate: object) -> None:
    """fault_218: from one to a thousand frames a second."""
    assert usable_rate(rate) == 0


async def test_a_rate_that_no_film_has_is_not_kept(studio: Studio) -> None:
    """fault_218: neither from a manifest nor from the folder's record."""
    number = (await studio.ordered()).number
    chunk = (await studio.status(number)).chunks[0]
    await studio.deliver(chunk, settings={"frames_per_second": 1e-300})
    assert (await studio.fetch(number)).frames_per_second == 0
    record = studio.folder / "out" / RECORD
    record.write_text(record.read_text().replace('second": 0.0', 'second": 1e-300'))
    assert "1e-300" in record.read_text()
    assert KeptFrames(record.parent).frames_per_second == 0
