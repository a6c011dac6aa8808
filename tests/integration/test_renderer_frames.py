"""Validated frames of real renders: their pixels, formats and digests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import OpenEXR
import pytest
from PIL import Image
from tests.integration.renderer_studio import Studio, studio

from veriframe.errors import Code, ValidationFailed
from veriframe.model.rendering.frames import ImageFormat, Region, RenderTask, ValidatedFrame

__all__ = ["studio"]

pytestmark = pytest.mark.slow

NO_LIGHT = 'bpy.data.objects.remove(bpy.data.objects["Light"]); scene.world = None'


async def test_equal_pixels_have_equal_digests(studio: Studio) -> None:
    """Two renders of a frame are identical after validation; another frame differs."""
    scene = studio.scene()
    frame, file = await studio.frame(scene)
    again, file_again = await studio.frame(scene)
    other, _ = await studio.frame(scene, RenderTask(frames=(2,)))
    assert frame == again
    assert file.read_bytes() == file_again.read_bytes()
    assert frame.pixel_digest != other.pixel_digest


async def test_frames_of_one_task_are_those_of_single_tasks(studio: Studio) -> None:
    """Data that a process keeps between frames changes no pixel."""
    scene, task = studio.scene(), RenderTask(frames=(1, 2, 3))
    together, _ = await studio.validate(task, *await studio.render(scene, task))
    alone = [(await studio.frame(scene, RenderTask(frames=(n,))))[0] for n in task.frames]
    assert alone == list(together)
    assert len({frame.pixel_digest for frame in alone}) == 3


async def test_frames_of_layers_with_samples_of_their_own_are_those_of_single_tasks(studio: Studio) -> None:
    """fault_113: with data kept, Blender renders the second frame with one layer's samples in all."""
    scene = studio.scene("scene.view_layers.new('Second').samples = 1; scene.frame_set(1)")
    digests = []
    async with studio.renderer().open(scene) as session:
        for _ in range(2):
            out = studio.new_folder()
            frames = [frame async for frame in session.frames(RenderTask(), out)]
            digests.append((await studio.validate(RenderTask(), frames, out))[0][0].pixel_digest)
    assert digests[0] == digests[1]


async def test_a_bare_jobs_frame_is_frame_1(studio: Studio) -> None:
    """fault_34: whatever the scene's current frame and frame range are."""
    plain, _ = await studio.frame(studio.scene())
    elsewhere, _ = await studio.frame(studio.scene("scene.frame_start = 100; scene.frame_set(3)"))
    assert plain.pixel_digest == elsewhere.pixel_digest


@pytest.mark.parametrize(("colours", "channels"), [("BW", 1), ("RGB", 3), ("RGBA", 4)])
async def test_8_bit_png(studio: Studio, colours: str, channels: int) -> None:
    """With the scene's own channels; the clean file contains only the pixels of Blender's file."""
    scene = studio.scene(f"render.image_settings.color_mode = {colours!r}")
    frames, out = await studio.render(scene, RenderTask())
    (frame,), clean = await studio.validate(RenderTask(), frames, out)
    assert (8, channels) == (frame.bit_depth, frame.channels)
    with Image.open(out / frame.file) as dirty, Image.open(clean / frame.file) as cleaned:
        np.testing.assert_array_equal(np.asarray(dirty), np.asarray(cleaned))
        assert dirty.info
        assert not cleaned.info


async def test_16_bit_png(studio: Studio) -> None:
    """All 16 bits are kept; Pillow reads only their upper half, which is equal."""
    deep, file = await studio.frame(
        studio.scene("render.image_settings.color_mode = 'RGB'; render.image_settings.color_depth = '16'")
    )
    assert (deep.bit_depth, deep.channels) == (16, 3)
    assert file.read_bytes()[24:26] == bytes([16, 2])
    shallow, _ = await studio.frame(studio.scene("render.image_settings.color_mode = 'RGB'"))
    assert deep.pixel_digest != shallow.pixel_digest
    assert deep.size_bytes > 1.3 * shallow.size_bytes


@pytest.mark.parametrize(("depth", "kind"), [("16", np.float16), ("32", np.float32)])
async def test_exr(studio: Studio, depth: str, kind: type) -> None:
    """Both depths, read by OpenEXR; without Blender's metadata."""
    scene = studio.scene(
        "i = render.image_settings; i.file_format = 'OPEN_EXR'; i.color_mode = 'RGBA';"
        f"i.color_depth = {depth!r}; i.exr_codec = 'DWAA'"
    )
    task = RenderTask(format=ImageFormat.EXR)
    frames, out = await studio.render(scene, task)
    (frame,), clean = await studio.validate(task, frames, out)
    assert (int(depth), 4, "frame_0001.exr") == (frame.bit_depth, frame.channels, frame.file)
    dirty, cleaned = OpenEXR.File(str(out / frame.file)), OpenEXR.File(str(clean / frame.file))
    pixels = cleaned.channels()["RGBA"].pixels
    assert (pixels.shape, pixels.dtype) == ((36, 64, 4), kind)
    np.testing.assert_array_equal(dirty.channels()["RGBA"].pixels, pixels)
    assert dirty.header().keys() - cleaned.header().keys() >= {"Date", "File", "Time"}


async def test_a_dark_scene_is_reported_as_black(studio: Studio) -> None:
    """fault_43: it is a valid picture, and black again when rendered at a smaller size."""
    scene = studio.scene(NO_LIGHT)
    frame, file = await studio.frame(scene)
    assert frame.is_black
    with Image.open(file) as image:
        assert np.asarray(image)[:, :, :3].max() <= 1, "black, but for dithering"
    assert frame.channels == 4
    small, _ = await studio.frame(scene, RenderTask(percent=25, samples=1, size=(64, 36)))
    assert small.is_black
    assert (small.width, small.height) == (16, 9)


async def test_tasks_of_one_session_do_not_affect_each_other(studio: Studio) -> None:
    """fault_43: size, samples and format start from the scene's own each time."""
    full = RenderTask(size=(64, 36))
    tasks = [full, replace(full, percent=50, samples=1), replace(full, format=ImageFormat.EXR), full]
    found: list[ValidatedFrame] = []
    async with studio.renderer().open(studio.scene()) as session:
        await session.inspect()
        for task in tasks:
            out = studio.new_folder()
            frames = [frame async for frame in session.frames(task, out)]
            found += (await studio.validate(task, frames, out))[0]
    assert [frame.is_black for frame in found] == [False] * 4
    assert [(frame.width, frame.height) for frame in found] == [(64, 36), (32, 18), (64, 36), (64, 36)]
    assert found[0] == found[3]


@pytest.mark.parametrize("percent", [100, 50])
@pytest.mark.parametrize(
    "part", [Region(left=20, top=3, width=9, height=11), Region(left=0, top=0, width=1, height=1)]
)
async def test_a_region_is_that_part_of_the_picture(studio: Studio, percent: int, part: Region) -> None:
    """Bit for bit, and cropped to it: without denoising, its pixels depend on no others."""
    scene = studio.scene("scene.cycles.use_adaptive_sampling = False; render.dither_intensity = 0")
    whole = RenderTask(size=(64, 36), percent=percent)
    _, file = await studio.frame(scene, whole)
    corner = Region(left=64 * percent // 100 - 5, top=36 * percent // 100 - 7, width=5, height=7)
    for region in (part, corner):
        frame, part_file = await studio.frame(scene, replace(whole, region=region))
        assert (frame.width, frame.height) == (region.width, region.height)
        with Image.open(file) as image, Image.open(part_file) as cropped:
            right, bottom = region.left + region.width, region.top + region.height
            expected = np.asarray(image)[region.top : bottom, region.left : right]
            np.testing.assert_array_equal(np.asarray(cropped), expected)


async def test_a_region_outside_the_picture_is_refused(studio: Studio) -> None:
    """Blender would clamp it silently."""
    task = RenderTask(size=(64, 36), region=Region(left=60, top=0, width=5, height=1))
    failed = await studio.failure(studio.scene(), task)
    assert failed.code == Code.BLENDER_ERROR
    assert "outside the picture" in str(failed)


async def test_samples_that_are_not_finite_are_not_delivered(studio: Studio) -> None:
    """fault_43: NaN in one pixel."""
    scene, task = studio.scene(), RenderTask(format=ImageFormat.EXR)
    frames, out = await studio.render(scene, task)
    pixels = np.ones((36, 64), np.float32)
    pixels[3, 5] = np.nan
    OpenEXR.File({}, {name: pixels.copy() for name in "RGB"}).write(str(out / "frame_0001.exr"))
    with pytest.raises(ValidationFailed) as failed:
        await studio.validate(task, frames, out)
    assert failed.value.code == Code.NOT_FINITE


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x76\x2f\x31\x01" + bytes(200)])
async def test_a_damaged_exr_is_refused(studio: Studio, content: bytes) -> None:
    """fault_20: no error or crash of the library reaches the worker."""
    scene, task = studio.scene(), RenderTask(format=ImageFormat.EXR)
    frames, out = await studio.render(scene, task)
    (out / "frame_0001.exr").write_bytes(content)
    with pytest.raises(ValidationFailed) as failed:
        await studio.validate(task, frames, out)
    assert failed.value.code == (Code.NOT_IMAGE if content else Code.TAMPER)
