"""What makes two renders of a scene differ is found before a claim."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.test_renderer_inspection import inspect
from tests.integration.verification.test_accused import CYCLE

pytestmark = pytest.mark.slow

SIMULATED = """
tree = bpy.data.node_groups.new("moved", "GeometryNodeTree")
for way in ("INPUT", "OUTPUT"):
    tree.interface.new_socket("Geometry", in_out=way, socket_type="NodeSocketGeometry")
new, link = tree.nodes.new, tree.links.new
first, last, move = new("NodeGroupInput"), new("NodeGroupOutput"), new("GeometryNodeTransform")
begin, end = new("GeometryNodeSimulationInput"), new("GeometryNodeSimulationOutput")
begin.pair_with_output(end)
move.inputs["Translation"].default_value = (0, 0, 0.2)
link(first.outputs[0], begin.inputs["Geometry"])
link(begin.outputs["Geometry"], move.inputs["Geometry"])
link(move.outputs["Geometry"], end.inputs["Geometry"])
link(end.outputs["Geometry"], last.inputs[0])
cube.modifiers.new("moved", "NODES").node_group = tree
"""
"""Each frame depends on the one that was evaluated before."""

INSTANCED = """
library = bpy.data.collections.new("library")
cube.users_collection[0].objects.unlink(cube)
library.objects.link(cube)
shown = bpy.data.objects.new("shown", None)
shown.instance_type, shown.instance_collection = "COLLECTION", library
scene.collection.objects.link(shown)
"""

BAKED = """
scene.frame_end = 3
modifier = cube.modifiers["moved"]
modifier.bake_target = "PACKED"
bpy.context.view_layer.update()
bpy.ops.object.geometry_node_bake_single(
    session_uid=cube.session_uid, modifier_name="moved", bake_id=modifier.bakes[0].bake_id
)
"""


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (SIMULATED, "unbaked simulation moved of Cube"),
        (SIMULATED + INSTANCED, "unbaked simulation moved of Cube"),
        ("scene.cycles.time_limit = 5", "a time limit of 5 s for sampling"),
        ("cube.modifiers.new('c', 'CLOTH')", "unbaked simulation c of Cube"),
        (
            "r = scene.render; r.dither_intensity = 2; r.keyframe_insert('dither_intensity', frame=1)",
            "an animated dither",
        ),
        (
            (
                "rig = bpy.data.objects.new('rig', bpy.data.armatures.new('rig'));"
                "scene.collection.objects.link(rig); bpy.context.view_layer.update();"
                "rig.pose.ik_solver = 'ITASC'; rig.pose.ik_param.mode = 'SIMULATION'"
            ),
            "iTaSC simulation of rig",
        ),
        (
            (
                "bpy.context.view_layer.objects.active = cube; bpy.ops.rigidbody.world_add();"
                "bpy.ops.rigidbody.object_add(type='ACTIVE')"
            ),
            "unbaked rigid body Cube",
        ),
        (
            "m = cube.modifiers.new('f', 'FLUID'); m.fluid_type = 'DOMAIN'",
            "unbaked fluid f of Cube",
        ),
        ("cube.modifiers.new('p', 'PARTICLE_SYSTEM')", "unbaked particles p of Cube"),
        (
            (
                "cube.modifiers.new('p', 'PARTICLE_SYSTEM').particle_system.settings.type = 'HAIR';"
                "cube.particle_systems[0].use_hair_dynamics = True"
            ),
            "unbaked particles p of Cube",
        ),
        (
            (
                "m = cube.modifiers.new('d', 'DYNAMIC_PAINT'); m.ui_type = 'CANVAS';"
                "bpy.context.view_layer.objects.active = cube; bpy.ops.dpaint.type_toggle(type='CANVAS')"
            ),
            "unbaked paint d of Cube",
        ),
    ],
)
async def test_unrepeatable_features_are_reported(tmp_path: Path, change: str, what: str) -> None:
    """fault_347: two renders of such a scene differ."""
    assert (await inspect(tmp_path, change)).unrepeatable == (what,)


ELSEWHERE = """
other = bpy.data.scenes.new("other")
item = bpy.data.objects.new("cloth", cube.data)
item.modifiers.new("c", "CLOTH")
other.collection.objects.link(item)
"""
READ = """
tree = bpy.data.node_groups.new("reads", "GeometryNodeTree")
tree.nodes.new("GeometryNodeObjectInfo").inputs["Object"].default_value = item
cube.modifiers.new("reads", "NODES").node_group = tree
"""


async def test_objects_of_another_scene_count_if_this_one_reads_them(tmp_path: Path) -> None:
    """An artist's second scene makes the first no worse; a hostile one cannot hide a simulation in it."""
    assert (await inspect(tmp_path, ELSEWHERE)).unrepeatable == ()
    assert (await inspect(tmp_path, ELSEWHERE + READ)).unrepeatable == ("unbaked simulation c of cloth",)


async def test_a_dependency_cycle_is_reported(tmp_path: Path) -> None:
    """fault_360: what Blender evaluates then depends on what it evaluated before."""
    assert not (await inspect(tmp_path, "")).has_cycle
    found = await inspect(tmp_path, CYCLE)
    assert (found.has_cycle, found.unrepeatable) == (True, ())


@pytest.mark.parametrize(
    "change",
    [
        "cube.modifiers.new('p', 'PARTICLE_SYSTEM').particle_system.settings.type = 'HAIR'",
        "cube.modifiers.new('p', 'PARTICLE_SYSTEM').particle_system.settings.physics_type = 'NO'",
        "cube.modifiers.new('c', 'CLOTH').show_render = False",
        SIMULATED + BAKED,
        "cube.modifiers.new('s', 'SUBSURF')",
    ],
)
async def test_repeatable_features_are_not_reported(tmp_path: Path, change: str) -> None:
    """Hair without dynamics, particles without physics, what is not rendered, and what is baked."""
    assert (await inspect(tmp_path, change)).unrepeatable == ()
