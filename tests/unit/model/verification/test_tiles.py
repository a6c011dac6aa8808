"""Tiles cover a picture once, and are counted as the pixel digest counts them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from veriframe.model.rendering.frames import Region
from veriframe.model.verification.tiles import TileGrid, moved


@given(width=st.integers(1, 400), height=st.integers(1, 400))
def test_tiles_cover_the_picture_once(width: int, height: int) -> None:
    """Whatever its size."""
    grid = TileGrid(width, height)
    regions = [grid.region(tile) for tile in range(grid.count)]
    assert sum(region.width * region.height for region in regions) == width * height
    assert all(region.left % 64 == 0 == region.top % 64 for region in regions)
    assert max(region.left + region.width for region in regions) == width
    assert max(region.top + region.height for region in regions) == height


def test_they_are_counted_by_rows_and_small_at_the_edges() -> None:
    """130 × 70 pixels have three columns and two rows."""
    grid = TileGrid(130, 70)
    assert grid.count == 6
    assert grid.region(2) == Region(left=128, top=0, width=2, height=64)
    assert grid.region(4) == Region(left=64, top=64, width=64, height=6)


def test_a_part_lies_in_its_picture() -> None:
    """A tile of a split still's part, in pixels of the whole."""
    tile, part = Region(left=64, top=0, width=10, height=64), Region(left=100, top=50, width=90, height=80)
    assert moved(tile, part) == Region(left=164, top=50, width=10, height=64)
