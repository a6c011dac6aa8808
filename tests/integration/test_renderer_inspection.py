"""What Blender finds in real scenes: the facts that the scene check uses."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration import renderer_scenes

from veriframe.adapters.blender import runtimes
from veriframe.adapters.blender.renderer import BlenderRenderer
from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox
from veriframe.model.rendering.scene import MissingFile, SceneInspection

pytestmark = pytest.mark.slow

IN_USE = (
    "m = cube.data.materials[0]; n = m.node_tree.nodes.new('ShaderNodeTexImage'); n.image = i;"
    "m.node_tree.links.new(n.outputs[0], m.node_tree.nodes['Principled BSDF'].inputs[0])"
)


async def inspect(folder: Path, change: str) -> SceneInspection:
    """Inspects a scene that was changed by this Python code."""
    scene = folder / "scene.blend"
    scene.write_bytes(renderer_scenes.make(change))
    async with BlenderRenderer(runtimes.BpyWheel(), BubblewrapSandbox()).open(scene) as session:
        return await session.inspect()


async def test_a_plain_scene_has_no_faults(tmp_path: Path) -> None:
    """All facts of a valid scene."""
    found = await inspect(tmp_path, "scene.frame_end = 10")
    assert (found.scene, found.engine, found.camera, found.objects) == ("Scene", "CYCLES", "Camera", 3)
    assert (found.width, found.height, found.samples, found.frame_start, found.frame_end) == (
        64,
        36,
        4,
        1,
        10,
    )
    assert found.view_layers == ("ViewLayer",)
    assert (found.missing, found.scripts, found.risky, found.unrepeatable) == ((), (), (), ())
    assert (found.uses_sequencer, found.output_is_movie) == (False, False)
    assert found.blender.startswith("4.5")


@pytest.mark.parametrize(
    "path", ["//lost.png", "//../../lost.png", "/etc/fonts/fonts.conf", "/dev/zero", "/proc/self/environ"]
)
async def test_a_texture_outside_the_scene_is_missing(tmp_path: Path, path: str) -> None:
    """fault_22, fault_23: even if this machine has such a file."""
    change = f"i = bpy.data.images.new('i', 1, 1); i.source = 'FILE'; i.filepath = {path!r}; {IN_USE}"
    found = await inspect(tmp_path, change)
    assert (MissingFile(kind="image", name="i", path=path, used=True),) == found.missing


async def test_an_unused_missing_texture_is_only_a_warning(tmp_path: Path) -> None:
    """fault_22: it is reported, but the scene check only warns."""
    change = (
        "i = bpy.data.images.new('i', 1, 1); i.source = 'FILE'; i.filepath = '//a'; i.use_fake_user = True"
    )
    found = await inspect(tmp_path, change)
    assert [(missing.name, missing.used) for missing in found.missing] == [("i", False)]


async def test_a_packed_texture_is_not_missing(tmp_path: Path) -> None:
    """fault_22: it is inside the scene."""
    change = f"i = bpy.data.images.new('i', 8, 8); i.pack(); {IN_USE}"
    assert (await inspect(tmp_path, change)).missing == ()


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("font", "c = bpy.data.curves.new('t', 'FONT'); c.font = bpy.data.fonts.load(F)"),
        (
            "volume",
            "v = bpy.data.volumes.new('v'); v.filepath = '//lost.vdb'; v.use_fake_user = True",
        ),
        ("cache", "bpy.ops.cachefile.open(filepath='/lost.abc')"),
        ("movie clip", "bpy.data.movieclips.load(C).use_fake_user = True"),
    ],
)
async def test_other_missing_files_are_reported(tmp_path: Path, kind: str, change: str) -> None:
    """fault_22: each kind of file that a picture can depend on."""
    # Blender only accepts existing files: they exist while the scene is made, and not when it is inspected.
    prepare = (
        "import glob, shutil, tempfile; d = tempfile.mkdtemp();"
        "F = shutil.copy(glob.glob(bpy.utils.resource_path('LOCAL') + '/datafiles/fonts/Inter.woff2')[0], d);"
        "C = d + '/c.png'; bpy.data.images.new('x', 8, 8).save(filepath=C);"
        "bpy.data.images.remove(bpy.data.images['x']);"
    )
    found = await inspect(tmp_path, f"{prepare} {change}; shutil.rmtree(d)")
    assert [kind] == [missing.kind for missing in found.missing]


async def test_code_in_the_scene_is_reported(tmp_path: Path) -> None:
    """fault_26: a text that runs on load, a driver with a complex expression, Freestyle modules, OSL."""
    found = await inspect(
        tmp_path,
        "t = bpy.data.texts.new('evil.py'); t.use_module = True;"
        "d = cube.driver_add('location', 2).driver; d.type = 'SCRIPTED'; d.expression = '__import__(\"os\")';"
        "e = cube.driver_add('location', 1).driver; e.type = 'SCRIPTED'; e.expression = 'frame * 2';"
        "f = scene.view_layers[0].freestyle_settings; f.mode = 'SCRIPT'; f.modules.new();"
        "m = cube.data.materials[0]; m.node_tree.nodes.new('ShaderNodeScript')",
    )
    assert found.scripts == (
        "text evil.py (runs on load)",
        "driver of Cube location",
        "Freestyle style modules of Scene, ViewLayer",
        "OSL node Script in Shader Nodetree",
    )


async def test_nodes_that_read_or_write_are_reported(tmp_path: Path) -> None:
    """fault_24, fault_25: with the paths that the scene would write to."""
    found = await inspect(
        tmp_path,
        "scene.use_nodes = True; scene.render.filepath = '/root/x';"
        "n = scene.node_tree.nodes.new('CompositorNodeOutputFile'); n.base_path = '/etc/';"
        "g = bpy.data.node_groups.new('g', 'GeometryNodeTree'); g.use_fake_user = True;"
        "g.nodes.new('GeometryNodeImportText')",
    )
    assert {"File Output node File Output", "Import Text node Import Text in g"} == set(found.risky)
    assert found.outputs == ("/root/x", "/etc/")


async def test_a_movie_is_reported(tmp_path: Path) -> None:
    """fault_33: by its format, and by a sequencer with strips."""
    found = await inspect(
        tmp_path,
        "render.image_settings.file_format = 'FFMPEG';"
        "e = scene.sequence_editor_create();"
        "s = getattr(e, 'strips', None) or e.sequences;"
        "s.new_effect(name='c', type='COLOR', channel=1, frame_start=1, frame_end=10)",
    )
    assert (found.output_is_movie, found.uses_sequencer) == (True, True)


async def test_a_scene_without_camera_and_layers_is_reported(tmp_path: Path) -> None:
    """fault_21: the scene check refuses it, before any money moves."""
    found = await inspect(
        tmp_path, "bpy.data.objects.remove(bpy.data.objects['Camera']); scene.view_layers[0].use = False"
    )
    assert (found.camera, found.view_layers) == ("", ())


async def test_names_cannot_break_the_report(tmp_path: Path) -> None:
    """fault_15: whatever characters an artist, or an attacker, uses."""
    found = await inspect(tmp_path, r"scene.name = 'a\n\x1b[31m雪\u202e\"}'; scene.camera.name = '\x00x'")
    assert "雪" in found.scene
    assert found.scene.isprintable()


async def test_of_thousands_of_missing_files_the_first_are_reported(tmp_path: Path) -> None:
    """The report stays small."""
    change = (
        "for n in range(1000): i = bpy.data.images.new(str(n), 1, 1); i.source = 'FILE';"
        "i.filepath = '//' + 'x' * 900; i.use_fake_user = True"
    )
    found = await inspect(tmp_path, change)
    assert len(found.missing) == 200


DARK = "bpy.data.objects.remove(bpy.data.objects['Light']); scene.world = None"


@pytest.mark.parametrize(
    ("change", "unlit"),
    [
        ("pass", False),
        (DARK, True),
        (f"{DARK}; scene.world = bpy.data.worlds.new('w'); scene.world.color = (0, 0, 0)", True),
        (f"{DARK}; scene.world = bpy.data.worlds.new('w'); scene.world.color = (0, 0, 0.1)", False),
        (f"{DARK}; scene.world = bpy.data.worlds.new('w'); scene.world.use_nodes = True", False),
        (f"{DARK}; m = cube.data.materials[0]; m.node_tree.nodes.new('ShaderNodeEmission')", False),
        (f"{DARK}; scene.render.engine = 'BLENDER_WORKBENCH'", False),
    ],
)
async def test_a_scene_without_light_is_unlit(tmp_path: Path, change: str, unlit: bool) -> None:
    """fault_159: only if nothing can give light, and the engine needs it."""
    assert (await inspect(tmp_path, change)).unlit is unlit


@pytest.mark.parametrize(
    ("change", "ignored"),
    [
        ("pass", ()),
        (
            "scene.render.use_border = True; scene.render.use_multiview = True",
            ("Render Region", "Stereoscopy"),
        ),
        ("scene.render.use_stamp = True", ("Burn Into Image",)),
    ],
)
async def test_settings_that_a_render_turns_off_are_reported(
    tmp_path: Path, change: str, ignored: tuple[str, ...]
) -> None:
    """fault_198: as `render_frames.py` does."""
    assert (await inspect(tmp_path, change)).ignored == ignored


_ACTION = "d = scene.animation_data_create(); a = d.action = bpy.data.actions.new('a');"


@pytest.mark.parametrize(
    ("change", "varied"),
    [
        ("pass", ()),
        ("scene.cycles.keyframe_insert('samples', frame=1)", ("samples",)),
        (f"{_ACTION} a.fcurves.new('render.resolution_x')", ("resolution",)),
        (
            (
                f"{_ACTION} a.fcurves.new('cycles.samples'); d.action = None;"
                "d.nla_tracks.new().strips.new('n', 1, a)"
            ),
            ("samples",),
        ),
    ],
)
async def test_settings_that_change_are_found(tmp_path: Path, change: str, varied: tuple[str, ...]) -> None:
    """fault_132: by keys, drivers, strips, and layers of their own."""
    found = await inspect(tmp_path, f"scene.render.image_settings.color_depth = '16'; {change}")
    assert (found.varied, found.color_depth) == (varied, 16)
