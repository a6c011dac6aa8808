"""Scenes in which a part is not what the whole picture shows: their honest workers are not accused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.integration.verification.lab import Lab
from tests.integration.verification.stage import LOOK, PLAIN, SMOOTH, STILL
from tests.integration.verification.tricks import with_samples
from tests.integration.verification.works import Scene

from veriframe.model.rendering.frames import ImageFormat
from veriframe.model.verification.findings import Conclusion, Request

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

FEW = replace(STILL.bundle.overrides, samples=8)
LAYERS = replace(
    SMOOTH.bundle,
    format=ImageFormat.MULTILAYER,
    overrides=replace(SMOOTH.bundle.overrides, samples=8, color_depth=32),
)

TREE = """
scene.use_nodes = True
tree = scene.node_tree
tree.nodes.clear()
layers, out = tree.nodes.new("CompositorNodeRLayers"), tree.nodes.new("CompositorNodeComposite")
"""
PLAIN_TREE = TREE + 'tree.links.new(layers.outputs["Image"], out.inputs["Image"])\n'
OTHER_SCENE = """
other = bpy.data.scenes.new("other")
other.render.engine, other.cycles.samples = "CYCLES", 4
other.render.resolution_x, other.render.resolution_y = 96, 80
other.camera, other.world = scene.camera, scene.world
for item in list(scene.objects):
    other.collection.objects.link(item)
"""
CATCHER = "scene.view_layers[0].cycles.use_pass_shadow_catcher = True\n"
DITHERED = "scene.render.dither_intensity = 2.0\n"
CYCLE = """
pair = [bpy.data.objects.new(name, cube.data) for name in ("one", "other")]
for one, other in (pair, pair[::-1]):
    scene.collection.objects.link(one)
    follow = one.constraints.new("COPY_LOCATION")
    follow.target, follow.use_offset = other, True
"""
"""Each of two cubes follows the other."""

HIDDEN = """
for one in pair:
    one.hide_viewport = True
"""

EXACT = {
    "layers with a compositor": Scene(LAYERS, LOOK + PLAIN_TREE),
    "layers with a shadow catcher": Scene(LAYERS, LOOK + CATCHER),
    "much dither": Scene(
        replace(STILL.bundle, format=ImageFormat.PNG, overrides=replace(FEW, color_depth=8)), LOOK + DITHERED
    ),
    "another scene's layers": Scene(
        replace(STILL.bundle, overrides=FEW),
        LOOK
        + OTHER_SCENE
        + PLAIN_TREE
        + 'layers.scene = other\ntree.links.new(layers.outputs["Image"], out.inputs["Image"])\n',
    ),
}


@pytest.mark.parametrize("name", EXACT)
async def test_an_honest_result_is_exact(lab: Lab, name: str) -> None:
    """fault_346: passes that are denoised, dither, and other scenes in the compositor."""
    scene = EXACT[name]
    job = await lab.submit(await lab.claimed(scene), await lab.honest(scene))
    found = (await lab.verify(job, Request(tiles=4))).finding
    assert (found.conclusion, found.why) == (Conclusion.EXACT, "")


@pytest.mark.parametrize("seen", [True, False])
async def test_frames_of_a_cycle_are_undecided(lab: Lab, seen: bool) -> None:
    """fault_360: Blender tells of a cycle in what it shows, or in what it renders."""
    hidden = "" if seen else HIDDEN
    frames = tuple(range(1, 9))
    scene = Scene(replace(PLAIN, frames=frames, chunk=8, overrides=FEW), LOOK + CYCLE + hidden)
    job = await lab.submit(await lab.claimed(scene), await lab.render(scene, with_samples(1)))
    found = (await lab.verify(job, Request(tiles=2, frames=(5,)))).finding
    assert found.conclusion is Conclusion.UNDECIDED
    assert "dependency cycle" in found.why


async def test_a_painted_compositor_picture_is_wrong(lab: Lab) -> None:
    """fault_346: it is what people look at, and its own channels are compared."""
    scene = EXACT["layers with a compositor"]
    work = await lab.render(scene, with_samples(1))
    job = await lab.submit(await lab.claimed(scene), work)
    assert (await lab.verify(job, Request(tiles=4))).finding.conclusion is Conclusion.WRONG
