"""Where the tiles of a frame lie, as far as what was found of them tells."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.verifier.made_up import JOB, frame, tile_of

from veriframe.model.rendering.frames import Region
from veriframe.model.verification.findings import Conclusion
from veriframe.model.verification.tiles import TileGrid, moved
from veriframe.verifier.tile_map import grid_of, marks_of


@given(st.integers(1, 900), st.integers(1, 900), st.booleans())
def test_the_grid_is_found(width: int, height: int, is_part: bool) -> None:
    """From the first and the last tile, also of a part of a split still."""
    size = TileGrid(width, height)
    part = Region(left=100, top=50, width=width, height=height) if is_part else None
    tiles = [tile_of(size, number) for number in dict.fromkeys((0, size.columns - 1, size.count - 1))]
    tiles = [replace(one, region=moved(one.region, part)) for one in tiles]
    found = grid_of(replace(JOB, frames=(frame(1, *tiles),), tiles_of_frame=size.count))
    assert found is not None
    assert (found.wide, found.high) == (width / 64, height / 64)
    assert (found.columns, found.columns * found.rows) == (size.columns, size.count)


def test_the_whole_tells_its_size() -> None:
    """Without any tile."""
    whole = replace(tile_of(TileGrid(64, 64), 0), tile=-1, region=Region(left=0, top=0, width=160, height=96))
    found = grid_of(replace(JOB, frames=(frame(1, whole),), tiles_of_frame=6))
    assert found is not None
    assert (found.wide, found.high, found.columns, found.rows) == (2.5, 1.5, 3, 2)
    (mark,) = marks_of(frame(1, whole), found)
    assert (mark.left, mark.top, mark.wide, mark.high) == (0, 0, 2.5, 1.5)


def test_one_tile_of_the_first_row() -> None:
    """Then the grid is the one nearest to the usual shape."""
    size = TileGrid(1920, 1080)
    found = grid_of(replace(JOB, frames=(frame(1, tile_of(size, 3)),), tiles_of_frame=size.count))
    assert found is not None
    assert (found.columns, found.rows) == (30, 17)


@pytest.mark.parametrize("tiles_of_frame", [0, 7, 10**6 + 3])
def test_no_grid(tiles_of_frame: int) -> None:
    """None fits what was found, or nothing was found."""
    size = TileGrid(640, 640)
    apart = (tile_of(size, 0), tile_of(size, 55))
    assert grid_of(replace(JOB, frames=(frame(1, *apart),), tiles_of_frame=tiles_of_frame)) is None
    assert grid_of(replace(JOB, tiles_of_frame=100)) is None


def test_a_mark_is_as_bad_as_the_worst() -> None:
    """Of a tile's two comparisons; each is told."""
    size = TileGrid(640, 360)
    good, bad = tile_of(size, 13), tile_of(size, 13, Conclusion.WRONG)
    one = frame(1, good, bad)
    grid = grid_of(replace(JOB, frames=(one,), tiles_of_frame=size.count))
    assert grid is not None
    (mark,) = marks_of(one, grid)
    assert (mark.left, mark.top, mark.wide, mark.high) == (3, 1, 1, 1)
    assert mark.conclusion is Conclusion.WRONG
    assert "exact" in mark.title
    assert "wrong" in mark.title


def test_signs_fit_into_tiles_at_the_edge() -> None:
    """Which may be a few pixels high."""
    size = TileGrid(640, 70)
    one = frame(1, tile_of(size, 0), tile_of(size, 12))
    grid = grid_of(replace(JOB, frames=(one,), tiles_of_frame=size.count))
    assert grid is not None
    assert [mark.sign_size <= mark.high for mark in marks_of(one, grid)] == [True, True]
