"""Where the tiles of a frame lie, as far as what was found of them tells."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.verifier.made_up import frame, tile_of

from veriframe.model.rendering.frames import Region
from veriframe.model.verification.findings import Conclusion
from veriframe.model.verification.tiles import TileGrid
from veriframe.verifier.tile_map import grid_of, marks_of


@given(st.integers(1, 900), st.integers(1, 900))
def test_the_grid_is_that_of_the_size(width: int, height: int) -> None:
    """In units of tiles, of which the last ones may be parts."""
    found, size = grid_of((width, height)), TileGrid(width, height)
    assert (found.wide, found.high) == (width / 64, height / 64)
    assert (found.columns, found.columns * found.rows) == (size.columns, size.count)


def test_the_whole_lies_below_all_tiles() -> None:
    """A whole frame that was rendered again."""
    whole = replace(tile_of(TileGrid(64, 64), 0), tile=-1, region=Region(left=0, top=0, width=160, height=96))
    (mark,) = marks_of(frame(1, whole), grid_of((160, 96)))
    assert (mark.left, mark.top, mark.wide, mark.high) == (0, 0, 2.5, 1.5)


def test_a_mark_is_as_bad_as_the_worst() -> None:
    """Of a tile's two comparisons; each is told."""
    size = TileGrid(640, 360)
    good, bad = tile_of(size, 13), tile_of(size, 13, Conclusion.WRONG)
    one = frame(1, good, bad)
    grid = grid_of((size.width, size.height))
    (mark,) = marks_of(one, grid)
    assert (mark.left, mark.top, mark.wide, mark.high) == (3, 1, 1, 1)
    assert mark.conclusion is Conclusion.WRONG
    assert "exact" in mark.title
    assert "wrong" in mark.title


def test_signs_fit_into_tiles_at_the_edge() -> None:
    """Which may be a few pixels high."""
    size = TileGrid(640, 70)
    one = frame(1, tile_of(size, 0), tile_of(size, 12))
    grid = grid_of((size.width, size.height))
    assert [mark.sign_size <= mark.high for mark in marks_of(one, grid)] == [True, True]
