"""What in a scene may see which part of the picture is rendered; no part is seen by a later whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.bench import Bench
from tests.integration.renderer_studio import Studio
from tests.integration.verifying import BUNDLE, PLAIN, bench_of, posing_as, rendered, verified

from veriframe.errors import Code
from veriframe.model.rendering.frames import ImageFormat, Region, RenderTask
from veriframe.model.verification.findings import Conclusion

pytestmark = pytest.mark.slow

_HELPERS = """
def drive(block, place, path, kind='SINGLE_PROP', of=scene):
    seen = block.driver_add(place).driver.variables.new()
    seen.type = kind
    if kind == 'SINGLE_PROP':
        seen.targets[0].id_type, seen.targets[0].id = of.id_type, of
    seen.targets[0].data_path = path
def node(tree, kind, name, value):
    found = tree.nodes.new(kind)
    setattr(found, name, value)
material = cube.data.materials[0].node_tree
"""

_SEEING = """
lattice = bpy.data.lattices.new('grid')
lattice.use_fake_user, lattice['x'] = True, 1.0
drive(lattice, '["x"]', 'render.border_min_x')
scene.world.use_nodes = True
drive(scene.world.node_tree, 'nodes["Background"].inputs[1].default_value', 'cycles.samples', 'CONTEXT_PROP')
inner, outer = (bpy.data.node_groups.new(name, 'ShaderNodeTree') for name in ('inner', 'outer'))
node(inner, 'ShaderNodeAttribute', 'attribute_name', 'render.border_max_x')
inner.nodes[0].attribute_type = 'VIEW_LAYER'
node(outer, 'ShaderNodeGroup', 'node_tree', inner)
node(material, 'ShaderNodeGroup', 'node_tree', outer)
node(material, 'ShaderNodeVertexColor', 'layer_name', chr(1) + 'layer:render.border_min_y')
node(material, 'ShaderNodeScript', 'mode', 'EXTERNAL')
scene.camera.data.type = 'CUSTOM'
"""

_BLIND = """
drive(cube, 'pass_index', 'frame_current')
drive(scene.world, 'mist_settings.start', 'location.x', of=cube)
node(material, 'ShaderNodeAttribute', 'attribute_name', 'Col')
node(material, 'ShaderNodeUVMap', 'uv_map', 'UVMap')
scene.render.use_border, scene.render.border_max_x = True, 0.5
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A worker with a real Blender; registry, store and journal are fakes."""
    return bench_of(tmp_path)


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """A real renderer."""
    return Studio(tmp_path)


async def test_what_may_see_which_part_is_rendered_is_named(studio: Studio) -> None:
    """fault_334: drivers of any data, nodes in groups, attributes by another node, OSL."""
    found = await studio.inspect(studio.scene(_HELPERS + _SEEING))
    assert set(found.sees_region) == {
        'driver of grid ["x"]',
        'driver of Shader Nodetree nodes["Background"].inputs[1].default_value',
        "Attribute node Attribute in inner",
        "Color Attribute node Color Attribute in Shader Nodetree",
        "OSL node Script in Shader Nodetree",
        "OSL camera Camera",
    }


async def test_what_cannot_see_it_is_not_named(studio: Studio) -> None:
    """fault_334: tiles of usual scenes are still checked by themselves."""
    found = await studio.inspect(studio.scene(_HELPERS + _BLIND))
    assert found.sees_region == ()


async def test_what_reads_the_threads_does_not_repeat(studio: Studio) -> None:
    """fault_341: each machine has another number of them, and none may be called a cheat for it."""
    change = _HELPERS + "drive(cube, 'pass_index', 'render.threads')"
    found = await studio.inspect(studio.scene(change))
    assert found.unrepeatable == ("driver of Cube pass_index, which reads how many threads render",)
    assert (await studio.inspect(studio.scene(_HELPERS + _BLIND))).unrepeatable == ()


_DARK = (
    "power = scene.objects['Light'].data.driver_add('energy').driver; power.type = 'SCRIPTED';"
    "seen = power.variables.new(); seen.targets[0].id_type = 'SCENE'; seen.targets[0].id = scene;"
    "seen.targets[0].data_path = 'render.border_min_x'; power.expression = '1000 * (var < 0.3)'"
)


async def test_a_part_leaves_nothing_for_the_whole_to_see(studio: Studio) -> None:
    """fault_334: a whole frame that is rendered after a part is that of a fresh process."""
    scene, whole = studio.scene(_DARK), RenderTask(size=(64, 36))
    part = replace(whole, region=Region(left=40, top=3, width=9, height=11))
    alone, _ = await studio.frame(scene, whole)
    async with studio.renderer().open(scene) as session:
        for task in (part, whole):
            out = studio.new_folder()
            frames = [frame async for frame in session.frames(task, out)]
    (after,), _ = await studio.validate(whole, frames, out)
    assert after == alone


async def test_a_still_that_sees_its_tile_is_not_split(studio: Studio) -> None:
    """fault_334: by Blender, whatever the inspection said."""
    tile = Region(left=0, top=0, width=32, height=36)
    task = RenderTask(size=(64, 36), region=tile, format=ImageFormat.MULTILAYER, is_denoised_later=True)
    failed = await studio.failure(studio.scene(_DARK), task)
    assert (failed.code, "cannot be split" in str(failed)) == (Code.BLENDER_ERROR, True)


SEEING_DRIVER = (
    "power = scene.objects['Light'].data.driver_add('energy').driver; power.type = 'SCRIPTED';"
    "seen = power.variables.new(); seen.targets[0].id_type = 'SCENE'; seen.targets[0].id = scene;"
    "seen.targets[0].data_path = 'render.border_min_x'; power.expression = '1000 + 9000 * (var > 0.3)'"
)
SEEING_NODE = (
    "tree = cube.data.materials[0].node_tree; node = tree.nodes.new('ShaderNodeAttribute');"
    "node.attribute_type, node.attribute_name = 'VIEW_LAYER', 'render.border_max_x';"
    "tree.links.new(node.outputs['Fac'], tree.nodes['Principled BSDF'].inputs['Emission Strength'])"
)


@pytest.mark.parametrize(
    ("change", "image_format"),
    [
        pytest.param(SEEING_DRIVER, ImageFormat.PNG, id="driver"),
        pytest.param(SEEING_NODE, ImageFormat.MULTILAYER, id="node"),
    ],
)
async def test_a_scene_that_sees_what_is_rendered_accuses_nobody(
    bench: Bench, change: str, image_format: ImageFormat
) -> None:
    """fault_334: its crops differ from its frames, so tiles are cut from these; a cheat is wrong."""
    bundle = replace(BUNDLE, frames=(1,), chunk=1, format=image_format, proof_tiles=6)
    job = await rendered(bench, bundle, change)
    found = (await verified(bench, job)).finding
    assert (found.conclusion, found.why) == (Conclusion.EXACT, "")
    assert len({tile.tile for tile in found.frames[0].tiles}) == 6
    assert any("may see which part is rendered" in note for note in found.notes)
    half = replace(bundle, overrides=replace(PLAIN, samples=8))
    cheat = bench.store.folders[(await rendered(bench, half, change)).result_cid]
    assert (await verified(bench, posing_as(bench, job, cheat))).finding.conclusion is Conclusion.WRONG
