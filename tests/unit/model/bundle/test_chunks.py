"""The parts of a bundle: every frame and every pixel once."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.renderer import INSPECTION

from veriframe.errors import Code, JobRejected
from veriframe.model.bundle.chunks import (
    check_parts,
    check_split,
    frames_of,
    parts,
    pieces_of,
    task_of,
    tile_of,
    tile_region,
    with_border,
)
from veriframe.model.bundle.job_file import Bundle, Split
from veriframe.model.rendering.frames import ImageFormat, Region

BUNDLE = Bundle(scene="a.blend", blender="4.5")


@given(st.integers(1, 60), st.integers(1, 60))
def test_every_frame_is_in_one_chunk(frames: int, chunk: int) -> None:
    """The chunks in order are the frames in order."""
    bundle = Bundle(scene="a.blend", blender="4.5", frames=tuple(range(frames)), chunk=chunk)
    found = [frames_of(bundle, part) for part in range(parts(bundle))]
    assert [number for part in found for number in part] == list(range(frames))
    assert all(1 <= len(part) <= chunk for part in found)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(8, 70), st.integers(8, 70))
def test_every_pixel_is_in_one_tile(columns: int, rows: int, width: int, height: int) -> None:
    """Tiles cover the picture without overlap."""
    split, seen = Split(columns=columns, rows=rows), set[tuple[int, int]]()
    for part in range(split.tiles):
        tile = tile_region(split, part, (width, height))
        pixels = {
            (x, y)
            for x in range(tile.left, tile.left + tile.width)
            for y in range(tile.top, tile.top + tile.height)
        }
        assert pixels
        assert not pixels & seen
        seen |= pixels
    assert len(seen) == width * height


def test_tiles_count_from_the_top_left_by_rows() -> None:
    """Part 1 is right of part 0."""
    split = Split(columns=2, rows=2)
    assert tile_region(split, 1, (100, 60)) == Region(left=50, top=0, width=50, height=30)
    assert tile_region(split, 2, (100, 60)) == Region(left=0, top=30, width=50, height=30)


def test_only_some_tiles_are_parts() -> None:
    """fault_226: a part is the tile that is named, of the picture that is whole."""
    split = Split(columns=2, rows=2, only=(1, 3))
    bundle = replace(BUNDLE, split=split)
    assert (parts(bundle), tile_of(bundle, 1)) == (2, 3)
    assert pieces_of(bundle) == {(1, 1), (1, 3)}
    inspected = replace(INSPECTION, width=100, height=60)
    assert task_of(bundle, 0, inspected).region == with_border(tile_region(split, 1, (100, 60)), (100, 60))
    with pytest.raises(JobRejected):
        check_parts(bundle, 4)


def test_the_border_ends_at_the_picture() -> None:
    """16 pixels on each side where there are any."""
    assert with_border(Region(left=50, top=0, width=50, height=30), (100, 60)) == Region(
        left=34, top=0, width=66, height=46
    )


def test_an_order_has_a_job_for_each_part() -> None:
    """Another number of jobs is not of this bundle."""
    bundle = Bundle(scene="a.blend", blender="4.5", frames=tuple(range(1, 8)), chunk=3)
    check_parts(bundle, 3)
    with pytest.raises(JobRejected) as refused:
        check_parts(bundle, 2)
    assert refused.value.code is Code.PARTS


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"engine": "BLENDER_WORKBENCH"}, "only Cycles"),
        ({"changed_later": ("Compositing",)}, "Compositing"),
        ({"sees_region": ("driver of Light energy",)}, "driver of Light energy” may see"),
        ({"view_layers": ("one", "two")}, "several view layers"),
    ],
)
def test_a_still_whose_tiles_are_not_its_picture_is_not_split(changes: dict[str, Any], why: str) -> None:
    """fault_208, fault_334: told before it is posted, and refused before it is claimed."""
    split = Bundle(scene="a.blend", blender="4.5", split=Split(columns=2, rows=1))
    check_split(split, INSPECTION)
    with pytest.raises(JobRejected, match=why) as refused:
        check_split(split, replace(INSPECTION, **changes))
    assert refused.value.code is Code.BAD_BUNDLE
    check_split(BUNDLE, replace(INSPECTION, **changes))


def test_the_task_of_a_chunk() -> None:
    """It has the chunk's frames and, with Cycles, a proof."""
    bundle = Bundle(scene="a.blend", blender="4.5", frames=(1, 2, 5), chunk=2)
    task = task_of(bundle, 1, replace(INSPECTION, engine="CYCLES"))
    assert (task.frames, task.has_proof, task.format, task.region) == ((5,), True, ImageFormat.PNG, None)
    assert not task_of(bundle, 1, replace(INSPECTION, engine="BLENDER_WORKBENCH")).has_proof


def test_the_task_of_a_tile() -> None:
    """It is a region with its border, to be denoised later."""
    bundle = Bundle(scene="a.blend", blender="4.5", split=Split(columns=2, rows=1))
    task = task_of(bundle, 1, replace(INSPECTION, engine="CYCLES", width=100, height=60))
    assert task.region == Region(left=34, top=0, width=66, height=60)
    assert (task.is_denoised_later, task.format) == (True, ImageFormat.MULTILAYER)
    assert task.overrides.denoise is False
