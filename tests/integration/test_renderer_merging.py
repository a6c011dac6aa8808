"""A still that is split into tiles: rendered apart, merged bit for bit, denoised once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from PIL import Image
from tests.integration.renderer_studio import Studio, studio

from veriframe.errors import Code, ValidationFailed
from veriframe.model.bundle.chunks import tile_region, with_border
from veriframe.model.bundle.job_file import Split
from veriframe.model.rendering.frames import ImageFormat, RenderTask
from veriframe.model.rendering.overrides import Overrides
from veriframe.ports.renderer import Tile

__all__ = ["studio"]

pytestmark = pytest.mark.slow

SIZE = (111, 77)
SCENE = """
scene.cycles.use_denoising = scene.cycles.use_adaptive_sampling = True
scene.cycles.samples = 16
render.resolution_x, render.resolution_y = 111, 77
render.image_settings.color_mode = "RGBA"
scene.view_settings.exposure = 0.5
"""
WHOLE = RenderTask(size=SIZE, format=ImageFormat.EXR, overrides=Overrides(color_depth=32))


async def tiles_of(studio: Studio, scene: Path) -> list[Tile]:
    """Four tiles, each rendered and validated by itself."""
    split = Split(columns=2, rows=2)
    found = []
    for part in range(4):
        kept = tile_region(split, part, SIZE)
        shown = with_border(kept, SIZE)
        overrides = Overrides(denoise=False, color_depth=32)
        task = replace(
            WHOLE, format=ImageFormat.MULTILAYER, region=shown, is_denoised_later=True, overrides=overrides
        )
        _, file = await studio.frame(scene, task)
        found.append(Tile(file, shown, kept))
    return found


async def merged(studio: Studio, scene: Path, tiles: list[Tile], task: RenderTask) -> Path:
    """The whole, validated."""
    out = studio.new_folder()
    frame = await studio.renderer().merge(scene, tiles, task, out)
    (found,), clean = await studio.validate(task, [frame], out)
    assert (found.width, found.height) == SIZE
    return clean / found.file


def pixels(file: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """All samples."""
    found: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = (
        OpenEXR.File(str(file)).channels()["RGBA"].pixels
    )
    return found


@pytest.mark.parametrize(
    "change", ["", "render.film_transparent = True", "scene.cycles.denoising_prefilter = 'FAST'"]
)
async def test_the_merged_still_is_the_whole(studio: Studio, change: str) -> None:
    """Bit for bit without denoising; denoised, to 1e-5; and in 8 bits, with the scene's colours."""
    scene = studio.scene(SCENE + change)
    tiles = await tiles_of(studio, scene)
    plain = replace(WHOLE, overrides=Overrides(color_depth=32, denoise=False))
    for task, most in ((plain, 0.0), (WHOLE, 1e-5)):
        _, whole = await studio.frame(scene, task)
        difference = np.abs(pixels(await merged(studio, scene, tiles, task)) - pixels(whole))
        assert difference.max() <= most
    task = RenderTask(size=SIZE)
    _, whole = await studio.frame(scene, task)
    with Image.open(whole) as one, Image.open(await merged(studio, scene, tiles, task)) as other:
        eight = np.abs(np.asarray(one).astype(int) - np.asarray(other).astype(int))
    assert eight.max() <= 1
    assert (eight > 0).mean() < 0.01


async def test_tiles_that_are_none_are_refused(studio: Studio) -> None:
    """fault_114: of another size, without the passes, twice, or one too few; nothing is drawn of them."""
    scene = studio.scene(SCENE)
    (first, *others) = await tiles_of(studio, scene)
    empty = studio.new_folder() / "empty.exr"
    planes = {
        f"A.Combined.{name}": np.zeros((first.shown.height, first.shown.width), np.float32) for name in "RGBA"
    }
    OpenEXR.File({}, planes).write(str(empty))
    smaller = replace(first, shown=replace(first.shown, width=first.shown.width - 1))
    for tiles in ([smaller, *others], [replace(first, file=empty), *others], [first, first, *others], others):
        with pytest.raises(ValidationFailed) as failed:
            await studio.renderer().merge(scene, tiles, WHOLE, studio.new_folder())
        assert failed.value.code == Code.NOT_IMAGE


@pytest.mark.parametrize(
    "change",
    [
        "render.use_freestyle = True",
        "scene.view_layers.new('Second')",
        "scene.use_nodes = True; scene.node_tree.nodes.new('CompositorNodeBlur')",
    ],
)
async def test_what_depends_on_the_whole_cannot_be_split(studio: Studio, change: str) -> None:
    """fault_114: Freestyle, a compositor, and several layers."""
    task = replace(WHOLE, format=ImageFormat.MULTILAYER, is_denoised_later=True)
    failed = await studio.failure(studio.scene(SCENE + change), task)
    assert failed.code == Code.BLENDER_ERROR
    assert "split" in str(failed)
