"""Validated frames of real renders: their pixels, formats and digests."""

from __future__ import annotations

import numpy as np
import OpenEXR
import pytest
import structlog
from PIL import Image
from tests.integration.renderer_studio import Studio, studio

from veriframe.errors import Code, ValidationFailed
from veriframe.model.rendering.frames import (
    ImageFormat,
    RenderTask,
)

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
    assert frame.pixel_sha256 != other.pixel_sha256


async def test_frames_of_one_task_are_those_of_single_tasks(studio: Studio) -> None:
    """Data that a process keeps between frames changes no pixel."""
    scene, task = studio.scene(), RenderTask(frames=(1, 2, 3))
    rendering, out = await studio.render(scene, task)
    together = await studio.renderer.validate(scene, task, rendering, out, studio.new_folder())
    alone = [(await studio.frame(scene, RenderTask(frames=(n,))))[0] for n in task.frames]
    assert alone == list(together)
    assert len({frame.pixel_sha256 for frame in alone}) == 3


async def test_a_bare_jobs_frame_is_frame_1(studio: Studio) -> None:
    """fault_34: whatever the scene's current frame and frame range are."""
    plain, _ = await studio.frame(studio.scene())
    elsewhere, _ = await studio.frame(studio.scene("scene.frame_start = 100; scene.frame_set(3)"))
    assert plain.pixel_sha256 == elsewhere.pixel_sha256


@pytest.mark.parametrize(("colours", "channels"), [("BW", 1), ("RGB", 3), ("RGBA", 4)])
async def test_8_bit_png(studio: Studio, colours: str, channels: int) -> None:
    """With the scene's own channels; the clean file contains only the pixels of Blender's file."""
    scene = studio.scene(f"render.image_settings.color_mode = {colours!r}")
    rendering, out = await studio.render(scene, RenderTask())
    clean = studio.new_folder()
    (frame,) = await studio.renderer.validate(scene, RenderTask(), rendering, out, clean)
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
    assert deep.pixel_sha256 != shallow.pixel_sha256
    assert deep.size_bytes > 1.3 * shallow.size_bytes


@pytest.mark.parametrize(("depth", "kind"), [("16", np.float16), ("32", np.float32)])
async def test_exr(studio: Studio, depth: str, kind: type) -> None:
    """Both depths, read by OpenEXR; without Blender's metadata."""
    scene = studio.scene(
        "i = render.image_settings; i.file_format = 'OPEN_EXR'; i.color_mode = 'RGBA';"
        f"i.color_depth = {depth!r}; i.exr_codec = 'DWAA'"
    )
    task = RenderTask(format=ImageFormat.EXR)
    rendering, out = await studio.render(scene, task)
    clean = studio.new_folder()
    (frame,) = await studio.renderer.validate(scene, task, rendering, out, clean)
    assert (int(depth), 4, "frame_0001.exr") == (frame.bit_depth, frame.channels, frame.file)
    dirty, cleaned = OpenEXR.File(str(out / frame.file)), OpenEXR.File(str(clean / frame.file))
    pixels = cleaned.channels()["RGBA"].pixels
    assert (pixels.shape, pixels.dtype) == ((36, 64, 4), kind)
    np.testing.assert_array_equal(dirty.channels()["RGBA"].pixels, pixels)
    assert dirty.header().keys() - cleaned.header().keys() >= {"Date", "File", "Time"}


async def test_a_dark_scene_is_a_valid_picture(studio: Studio) -> None:
    """fault_43: it is black, and black again when rendered at a smaller size."""
    scene = studio.scene(NO_LIGHT)
    with structlog.testing.capture_logs() as logged:
        frame, file = await studio.frame(scene)
    started = [event["script"] for event in logged if event["event"] == "blender_started"]
    assert started == ["render_frames.py", "render_frames.py"]
    with Image.open(file) as image:
        assert np.asarray(image)[:, :, :3].max() <= 1, "black, but for dithering"
    assert frame.channels == 4


async def test_a_frame_that_is_black_by_mistake_is_not_delivered(studio: Studio) -> None:
    """fault_43: on a broken machine; rendered again it is not black."""
    scene, task = studio.scene(), RenderTask()
    rendering, out = await studio.render(scene, task)
    Image.new("RGB", (64, 36)).save(out / "frame_0001.png")
    with pytest.raises(ValidationFailed) as failed:
        await studio.renderer.validate(scene, task, rendering, out, studio.new_folder())
    assert failed.value.code == Code.BLACK


async def test_samples_that_are_not_finite_are_not_delivered(studio: Studio) -> None:
    """fault_43: NaN in one pixel."""
    scene, task = studio.scene(), RenderTask(format=ImageFormat.EXR)
    rendering, out = await studio.render(scene, task)
    pixels = np.ones((36, 64), np.float32)
    pixels[3, 5] = np.nan
    OpenEXR.File({}, {name: pixels.copy() for name in "RGB"}).write(str(out / "frame_0001.exr"))
    with pytest.raises(ValidationFailed) as failed:
        await studio.renderer.validate(scene, task, rendering, out, studio.new_folder())
    assert failed.value.code == Code.NOT_FINITE


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x76\x2f\x31\x01" + bytes(200)])
async def test_a_damaged_exr_is_refused(studio: Studio, content: bytes) -> None:
    """fault_20: no error or crash of the library reaches the worker."""
    scene, task = studio.scene(), RenderTask(format=ImageFormat.EXR)
    rendering, out = await studio.render(scene, task)
    (out / "frame_0001.exr").write_bytes(content)
    with pytest.raises(ValidationFailed) as failed:
        await studio.renderer.validate(scene, task, rendering, out, studio.new_folder())
    assert failed.value.code == (Code.NOT_IMAGE if content else Code.TAMPER)
