"""The map of a frame's tiles, as far as the findings tell where they lie: for the page, in units of tiles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from veriframe.model.rendering.frames import Region
from veriframe.model.verification.findings import Conclusion, FrameFinding, JobFinding, TileFinding, worst
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


def grid_of(finding: JobFinding) -> Grid | None:
    """The grid of a job's frames, which all have one size; None if what was found does not tell.

    A finding has places of tiles, and no size: the grid is the only one that they fit, or the one of those
    that is nearest to 16:9. A last column or row that was not drawn is taken as whole.
    """
    tiles = [tile for frame in finding.frames for tile in frame.tiles]
    if (whole := next((tile.region for tile in tiles if tile.tile < 0), None)) is not None:
        size = TileGrid(whole.width, whole.height)
        wide, high = (pixels / TILE_PIXELS for pixels in (whole.width, whole.height))
        return Grid(wide, high, size.columns, -(-size.count // size.columns))
    count = finding.tiles_of_frame
    fitting = [
        columns for columns in range(1, count + 1) if count % columns == 0 and _fits(tiles, columns, count)
    ]
    if not tiles or not fitting:
        return None
    columns = min(fitting, key=lambda wide: abs(wide * wide * 9 / 16 - count))
    rows = count // columns
    wide, high = float(columns), float(rows)
    for tile in tiles:
        if tile.tile % columns == columns - 1:
            wide = columns - 1 + tile.region.width / TILE_PIXELS
        if tile.tile // columns == rows - 1:
            high = rows - 1 + tile.region.height / TILE_PIXELS
    return Grid(wide, high, columns, rows)


def marks_of(frame: FrameFinding, grid: Grid) -> Sequence[Mark]:
    """What was found of each tile, the whole frame first, so that tiles lie on top of it."""
    found = dict[int, list[TileFinding]]()
    for tile in sorted(frame.tiles, key=lambda tile: tile.tile):
        found.setdefault(tile.tile, []).append(tile)
    return [_mark(number, tiles, grid) for number, tiles in found.items()]


def _mark(number: int, tiles: Sequence[TileFinding], grid: Grid) -> Mark:
    conclusion = worst(tile.conclusion for tile in tiles)
    told = "; ".join(f"{tile.subject}: {tile.conclusion.lower()}" for tile in tiles)
    if number < 0:
        return Mark(0, 0, grid.wide, grid.high, conclusion, f"The whole frame: {told}")
    row, column = divmod(number, grid.columns)
    wide, high = min(1.0, grid.wide - column), min(1.0, grid.high - row)
    return Mark(column, row, wide, high, conclusion, f"Tile {number}: {told}")


def _fits(tiles: Iterable[TileFinding], columns: int, count: int) -> bool:
    """Whether all tiles lie where a grid of so many columns has them, wherever it begins."""
    begins = {
        (
            tile.region.left - TILE_PIXELS * (tile.tile % columns),
            tile.region.top - TILE_PIXELS * (tile.tile // columns),
        )
        for tile in tiles
    }
    return (
        len(begins) == 1
        and all(
            _is_of(
                tile.region,
                is_last=tile.tile % columns == columns - 1,
                is_lowest=tile.tile // columns == count // columns - 1,
            )
            for tile in tiles
        )
        and min(begins.pop()) >= 0
    )


def _is_of(region: Region, *, is_last: bool, is_lowest: bool) -> bool:
    """Whether only tiles at the right and lower edges are smaller."""
    return (is_last or region.width == TILE_PIXELS) and (is_lowest or region.height == TILE_PIXELS)
