"""The tiles of a picture, as the pixel digest counts them, and what is rendered to check one."""

from __future__ import annotations

from dataclasses import dataclass

from veriframe.model.bundle.chunks import with_border
from veriframe.model.rendering.frames import Region

TILE_PIXELS = 64
"""The side of a tile; docs/formats.md."""


@dataclass(frozen=True, slots=True)
class TileGrid:
    """The tiles of a picture of this size in pixels, numbered from 0 by rows from the upper left corner."""

    width: int
    height: int

    @property
    def columns(self) -> int:
        """How many tiles a row has."""
        return -(-self.width // TILE_PIXELS)

    @property
    def count(self) -> int:
        """How many tiles there are."""
        return self.columns * -(-self.height // TILE_PIXELS)

    def region(self, tile: int) -> Region:
        """The pixels of a tile; those at the right and lower edges are as large as what is left."""
        row, column = divmod(tile, self.columns)
        left, top = column * TILE_PIXELS, row * TILE_PIXELS
        return Region(
            left=left,
            top=top,
            width=min(TILE_PIXELS, self.width - left),
            height=min(TILE_PIXELS, self.height - top),
        )

    def bordered(self, tile: int) -> Region:
        """What is rendered to check a tile: adaptive sampling and denoising look at its neighbours."""
        return with_border(self.region(tile), (self.width, self.height))


def moved(region: Region, by: Region) -> Region:
    """The region of a part's picture in the whole picture; `by` is the part."""
    return Region(
        left=region.left + by.left, top=region.top + by.top, width=region.width, height=region.height
    )
