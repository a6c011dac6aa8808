"""The parts of a bundle, one for each job of its order: chunks of frames, or the tiles of a split still."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from veriframe.errors import Code, JobRejected
from veriframe.model.bundle.job_file import Bundle, Split
from veriframe.model.rendering.frames import ImageFormat, Region, RenderTask
from veriframe.model.rendering.overrides import Overrides
from veriframe.model.rendering.scene import SceneInspection
from veriframe.model.text import printable, some_names

TILE_BORDER_PIXELS = 16
"""Rendered round each tile of a split still and cut off by merging: adaptive sampling looks at neighbours."""

TILE_DEPTH = 32
"""The depth of a tile of a split still, in bits a channel."""

Piece = tuple[int, int | None]
"""A frame, and the tile of it that is rendered; None for all of it."""


def parts(bundle: Bundle) -> int:
    """How many jobs the bundle's order has."""
    if bundle.split is not None:
        return len(bundle.split.rendered)
    return -(-len(bundle.frames) // bundle.chunk)


def check_parts(bundle: Bundle, jobs: int) -> None:
    """Raise `JobRejected` (PARTS) if an order with this many jobs cannot be of this bundle.

    The order is at fault and not the bundle, which another order may name rightly.
    """
    if parts(bundle) != jobs:
        raise JobRejected(
            Code.PARTS,
            f"The bundle has {parts(bundle)} parts and its order {jobs} jobs. "
            "Post it with: veriframe order create.",
        )


def check_split(bundle: Bundle, inspection: SceneInspection) -> None:
    """Raise `JobRejected` (BAD_BUNDLE) if the still is split, and its tiles would not be the picture.

    `inspection` is of the scene with the bundle's overrides.
    """
    if bundle.split is None:
        return
    why = ""
    if inspection.engine != "CYCLES":
        why = f"only Cycles renders tiles, and {printable(inspection.engine)} renders the scene"
    elif inspection.changed_later:
        why = f"{some_names(inspection.changed_later)} works on the whole picture"
    elif inspection.sees_region:
        why = f"{some_names(inspection.sees_region)} may see which part is rendered"
    elif len(inspection.view_layers) > 1:
        why = f"it has several view layers, {some_names(inspection.view_layers)}: name one as view_layer"
    if why:
        raise JobRejected(Code.BAD_BUNDLE, f"The still cannot be split: {why}. Post it without --tiles.")


def tile_of(bundle: Bundle, part: int) -> int | None:
    """The tile of part `part`, counted from 0 at the top left by rows; None unless the still is split."""
    return None if bundle.split is None else bundle.split.rendered[part]


def frames_of(bundle: Bundle, part: int) -> tuple[int, ...]:
    """The frames of part `part`, counted from 0."""
    if bundle.split is not None:
        return bundle.frames
    return bundle.frames[part * bundle.chunk : (part + 1) * bundle.chunk]


def pieces_of(bundle: Bundle) -> frozenset[Piece]:
    """All that is rendered of the bundle."""
    tiles: tuple[int | None, ...] = (None,) if bundle.split is None else bundle.split.rendered
    return frozenset((frame, tile) for frame in bundle.frames for tile in tiles)


def of_pieces(bundle: Bundle, pieces: Collection[Piece], *, has_tiles: bool = True) -> Bundle:
    """The bundle of these frames alone or, of a still that is split, of these tiles, if it `has_tiles`."""
    frames = tuple(dict.fromkeys(frame for frame, _ in pieces))
    tiles = sorted({tile for _, tile in pieces if tile is not None})
    split = bundle.split
    if split is not None and has_tiles:
        split = replace(split, only=() if len(tiles) == split.tiles else tuple(tiles))
    return replace(bundle, frames=frames, split=split)


def task_of(bundle: Bundle, part: int, inspection: SceneInspection) -> RenderTask:
    """What to render for part `part`. `inspection` is of the scene with the bundle's overrides.

    A tile of a split still is a multilayer EXR with what a denoiser needs, not denoised.
    """
    size = inspection.width, inspection.height
    task = RenderTask(
        frames=frames_of(bundle, part),
        format=bundle.format,
        size=size,
        overrides=bundle.overrides,
        has_proof=bundle.proof_tiles > 0 and inspection.engine == "CYCLES",
        has_thumbnail=True,
        frame_seconds=bundle.frame_seconds,
    )
    if bundle.split is None:
        return task
    return replace(
        task,
        format=ImageFormat.MULTILAYER,
        overrides=tile_overrides(bundle.overrides),
        region=with_border(tile_region(bundle.split, bundle.split.rendered[part], size), size),
        is_denoised_later=True,
        has_proof=False,
    )


def tile_overrides(overrides: Overrides) -> Overrides:
    """Those of a tile of a split still: full depth, and denoised only after the merge."""
    return replace(overrides, denoise=False, color_depth=TILE_DEPTH, passes=())


def tile_region(split: Split, tile: int, size: tuple[int, int]) -> Region:
    """The pixels of a tile of a picture of this size; tiles count from the top left, by rows."""
    row, column = divmod(tile, split.columns)
    left, right = (size[0] * n // split.columns for n in (column, column + 1))
    top, bottom = (size[1] * n // split.rows for n in (row, row + 1))
    return Region(left=left, top=top, width=right - left, height=bottom - top)


def whole_region(size: tuple[int, int]) -> Region:
    """All pixels of a picture of this width and height."""
    return Region(left=0, top=0, width=size[0], height=size[1])


def with_border(region: Region, size: tuple[int, int], pixels: int = TILE_BORDER_PIXELS) -> Region:
    """The region with so many pixels more on each side, within the picture."""
    left, top = max(0, region.left - pixels), max(0, region.top - pixels)
    right = min(size[0], region.left + region.width + pixels)
    bottom = min(size[1], region.top + region.height + pixels)
    return Region(left=left, top=top, width=right - left, height=bottom - top)
