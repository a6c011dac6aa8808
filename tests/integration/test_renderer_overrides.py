"""Settings of a task in place of the scene's own: the picture is that of a scene with these settings."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.renderer_studio import Studio, studio

from veriframe.errors import Code
from veriframe.model.rendering.frames import ImageFormat, RenderTask, ValidatedFrame
from veriframe.model.rendering.overrides import Overrides, passes_of

__all__ = ["studio"]

pytestmark = pytest.mark.slow

SCENE = """
import mathutils
second = bpy.data.objects.new("Second é", bpy.data.cameras.new("Second"))
second.matrix_world = mathutils.Matrix.Translation((0, 0, 9))
scene.collection.objects.link(second)
scene.timeline_markers.new("cut", frame=1).camera = scene.objects["Camera"]
other = scene.view_layers.new("Other")
other.material_override = bpy.data.materials.new("White")
scene.cycles.use_animated_seed = True
scene.cycles.seed = 7
scene.cycles.keyframe_insert("seed", frame=1)
scene.view_layers["ViewLayer"].samples = 1
"""
"""Two cameras and layers; a marker, an animation and a layer's samples that would win over an override."""

SAME = {
    "camera": (Overrides(camera="Second é"), 'scene.timeline_markers[0].camera = scene.objects["Second é"]'),
    "view_layer": (Overrides(view_layer="Other"), 'scene.view_layers["ViewLayer"].use = False'),
    "engine": (Overrides(engine="BLENDER_WORKBENCH"), 'render.engine = "BLENDER_WORKBENCH"'),
    "resolution": (Overrides(resolution=(90, 40)), "render.resolution_x, render.resolution_y = 90, 40"),
    "samples": (Overrides(samples=3), 'scene.cycles.samples = 3; scene.view_layers["ViewLayer"].samples = 0'),
    "seed": (
        Overrides(seed=11),
        "scene.animation_data_clear(); scene.cycles.use_animated_seed = False; scene.cycles.seed = 11",
    ),
    "denoise": (Overrides(denoise=True), "scene.cycles.use_denoising = True"),
    "depth": (Overrides(color_depth=16), "render.image_settings.color_depth = '16'"),
}


@pytest.mark.parametrize("name", SAME)
async def test_the_picture_is_that_of_such_a_scene(studio: Studio, name: str) -> None:
    """And the next task has the scene's own settings again."""
    overrides, change = SAME[name]
    expected, _ = await studio.frame(studio.scene(f"{SCENE}\n{change}"), RenderTask())
    found: list[ValidatedFrame] = []
    async with studio.renderer().open(studio.scene(SCENE)) as session:
        for task in (RenderTask(), RenderTask(overrides=overrides), RenderTask()):
            out = studio.new_folder()
            frames = [frame async for frame in session.frames(task, out)]
            found += (await studio.validate(task, frames, out))[0]
    assert found[1] == expected
    assert found[0] == found[2] != expected


@pytest.mark.parametrize(
    ("overrides", "more", "why"),
    [
        (Overrides(camera="Light"), {}, "camera"),
        (Overrides(camera="Gone"), {}, "camera"),
        (Overrides(view_layer="Gone"), {}, "view layer"),
        (Overrides(engine="POVRAY"), {}, "engine"),
        (Overrides(engine="BLENDER_WORKBENCH", samples=4), {}, "samples"),
        (Overrides(engine="BLENDER_WORKBENCH", seed=4), {}, "seed"),
        (Overrides(engine="BLENDER_WORKBENCH"), {"has_proof": True}, "Cycles"),
        (Overrides(resolution=(1, 40)), {}, "resolution"),
        (Overrides(color_depth=32), {}, "color_depth"),
        (Overrides(samples=0), {}, "samples"),
        (Overrides(passes=("shadow",)), {"format": ImageFormat.MULTILAYER}, "pass"),
    ],
)
async def test_what_the_scene_cannot_have_is_an_error(
    studio: Studio, overrides: Overrides, more: Any, why: str
) -> None:
    """fault_109: Blender clamps numbers and ignores unknown words without a sound."""
    failed = await studio.failure(studio.scene(), RenderTask(overrides=overrides, **more))
    assert failed.code == Code.BLENDER_ERROR
    assert why in str(failed)


async def test_a_setting_that_changes_by_itself_is_an_error(studio: Studio) -> None:
    """fault_109: a strip of the NLA moves the seed at each frame."""
    scene = studio.scene(
        "scene.cycles.keyframe_insert('seed', frame=1); d = scene.animation_data; a = d.action;"
        "d.action = None; d.nla_tracks.new().strips.new('s', 1, a)"
    )
    failed = await studio.failure(scene, RenderTask(overrides=Overrides(seed=5)))
    assert "seed" in str(failed)


async def test_passes_lie_beside_the_picture(studio: Studio) -> None:
    """In a multilayer EXR, each under its layer's name; all that Cycles may be asked for is there."""
    task = RenderTask(
        format=ImageFormat.MULTILAYER, overrides=Overrides(passes=passes_of("CYCLES"), color_depth=16)
    )
    frame, file = await studio.frame(studio.scene(), task)
    assert (frame.file, frame.bit_depth, frame.is_black) == ("frame_0001.exr", 32, False)
    names = frame.channel_names.split(",")
    assert len(names) == frame.channels
    passes = {name.removeprefix("ViewLayer.").rsplit(".", 1)[0] for name in names}
    assert passes == {
        *("Combined", "Depth", "Mist", "Position", "Normal", "Vector", "UV", "IndexOB", "IndexMA"),
        *("DiffDir", "DiffInd", "DiffCol", "GlossDir", "GlossInd", "GlossCol"),
        *("TransDir", "TransInd", "TransCol", "Emit", "Env", "AO"),
    }
    assert file.stat().st_size == frame.size_bytes
