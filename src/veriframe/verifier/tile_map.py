"""The map of a frame's tiles, for the page: in units of tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from veriframe.model.verification.findings import WHOLE, Conclusion, FrameFinding, TileFinding, worst
from veriframe.model.verification.tiles import TILE_PIXELS, TileGrid


@dataclass(frozen=True, slots=True)
class Grid:
    """A picture in units of tiles: its width and height, and its grid as the path of an SVG."""

    wide: float
    high: float
    columns: int
    rows: int

    @property
    def lines(self) -> str:
        """The lines between tiles."""
        down = [f"M{column} 0V{self.high:g}" for column in range(1, self.columns)]
        return "".join((*down, *(f"M0 {row}H{self.wide:g}" for row in range(1, self.rows))))


@dataclass(frozen=True, slots=True)
class Mark:
    """What was found of one tile, or of the whole frame: its place in units of tiles, and a sentence."""

    left: float
    top: float
    wide: float
    high: float
    conclusion: Conclusion
    title: str

    @property
    def sign_size(self) -> float:
        """The height of a letter that fits into it."""
        return 0.7 * min(self.wide, self.high)


def grid_of(size: tuple[int, int]) -> Grid:
    """The grid of a frame of this size in pixels."""
    tiles, (wide, high) = TileGrid(*size), (pixels / TILE_PIXELS for pixels in size)
    return Grid(wide, high, tiles.columns, -(-tiles.count // tiles.columns))


def marks_of(frame: FrameFinding, grid: Grid) -> Sequence[Mark]:
    """What was found of each tile, the whole frame first, so that tiles lie on top of it."""
    found = dict[int, list[TileFinding]]()
    for tile in sorted(frame.tiles, key=lambda tile: tile.tile):
        found.setdefault(tile.tile, []).append(tile)
    return [_mark(number, tiles, grid) for number, tiles in found.items()]


def _mark(number: int, tiles: Sequence[TileFinding], grid: Grid) -> Mark:
    conclusion = worst(tile.conclusion for tile in tiles)
    told = "; ".join(f"{tile.subject}: {tile.conclusion.lower()}" for tile in tiles)
    if number == WHOLE:
        return Mark(0, 0, grid.wide, grid.high, conclusion, f"The whole frame: {told}")
    row, column = divmod(number, grid.columns)
    wide, high = min(1.0, grid.wide - column), min(1.0, grid.high - row)
    return Mark(column, row, wide, high, conclusion, f"Tile {number}: {told}")
