"""Runs inside Blender: how renders of a scene differ from one another, and from what the scene sets."""

# ruff: noqa: ANN401 - Blender's data have no static types

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import bpy
from region_sight import readers, tells_machine  # type: ignore[import-not-found]

IGNORED = {"use_border": "Render Region", "use_multiview": "Stereoscopy", "use_stamp": "Burn Into Image"}
"""Settings of `RenderSettings` that `render_frames.py` turns off, by the names that Blender shows."""


CYCLE = b"Dependency cycle detected"
"""What Blender writes to stdout whenever it builds a dependency graph with a cycle."""

MOST_DITHER = 1.0
"""More of it makes parts of a picture differ by more than a verifier allows for."""


def ignored() -> Iterator[str]:
    """Settings that would change the picture, and are turned off for a render."""
    for name, shown in IGNORED.items():
        if getattr(bpy.context.scene.render, name, False):
            yield shown
    if bpy.context.scene.render.dither_intensity > MOST_DITHER:
        yield f"Dither above {MOST_DITHER:g}"


def changed_later(scene: Any) -> Iterator[str]:
    """What makes another picture of what the engine has rendered, so that its tiles are not the picture's."""
    if scene.render.use_freestyle and any(layer.use_freestyle for layer in scene.view_layers if layer.use):
        yield "Freestyle"
    tree = getattr(scene, "node_tree", None)
    if not (scene.render.use_compositing and getattr(scene, "use_nodes", False) and tree):
        return
    if not all(node.mute or is_plain(node, scene) for node in tree.nodes):
        yield "Compositing"


def is_plain(node: Any, scene: Any) -> bool:
    """Whether a compositor's node leaves the picture as it was rendered, with the scene's own settings."""
    if node.bl_idname == "CompositorNodeRLayers":
        return node.scene in (None, scene)
    if node.bl_idname == "CompositorNodeComposite":
        sources = [(link.from_node.bl_idname, link.from_socket.name) for link in node.inputs["Image"].links]
        return bool(node.use_alpha) and sources == [("CompositorNodeRLayers", "Image")]
    return node.bl_idname in ("CompositorNodeViewer", "NodeFrame")


def varied(scene: Any) -> Iterator[str]:
    """Settings that no single value stands for: it would end their animation, or be that of other layers."""
    paths = list(animated_paths(scene))
    if any(path.startswith("render.resolution_") for path in paths):
        yield "resolution"
    is_animated = any(path == "cycles.samples" or path.endswith("].samples") for path in paths)
    own = any(layer.samples for layer in scene.view_layers)
    if is_animated or own or getattr(scene.cycles, "use_sample_subset", False):
        yield "samples"


def animated_paths(scene: Any) -> Iterator[str]:
    """The scene's own settings that anything animates: drivers, an action, or NLA strips."""
    data = scene.animation_data
    if data is None:
        return
    actions = [data.action, *(strip.action for track in data.nla_tracks for strip in track.strips)]
    curves = [*data.drivers, *(curve for action in actions if action for curve in action.fcurves)]
    yield from (curve.data_path for curve in curves)


def unrepeatable() -> Iterator[str]:
    """Everything that makes two renders of the same scene differ."""
    scene = bpy.context.scene
    if scene.render.engine == "CYCLES" and scene.cycles.time_limit > 0:
        yield f"a time limit of {scene.cycles.time_limit:g} s for sampling"
    if any(path == "render.dither_intensity" for path in animated_paths(scene)):
        yield "an animated dither"
    for item in scene.objects:
        if item.pose and item.pose.ik_solver == "ITASC" and item.pose.ik_param.mode == "SIMULATION":
            yield f"iTaSC simulation of {item.name}"
    for name in readers(tells_machine):
        yield f"{name}, which reads how many threads render"
    for item in used_objects(scene):
        for modifier in item.modifiers:
            if modifier.show_render:
                yield from unbaked_or_unknown(modifier, item)
    for item in scene.objects:
        if item.rigid_body and item.rigid_body.type == "ACTIVE" and item.rigid_body.enabled:
            world = scene.rigidbody_world
            if world and world.enabled and not world.point_cache.is_baked:
                yield f"unbaked rigid body {item.name}"


def used_objects(scene: Any) -> list[Any]:
    """The scene's objects, and all others that it may use: those that are instanced, or read by nodes."""
    users, own = bpy.data.user_map(), set(scene.objects)

    def is_used(block: Any, below: tuple[Any, ...] = ()) -> bool:
        """Whether more than other scenes, and collections that nothing uses, hold it."""
        for user in users[block]:
            if isinstance(user, bpy.types.Scene):
                found = user == scene
            elif isinstance(user, bpy.types.Collection):
                found = user not in below and is_used(user, (*below, user))
            else:
                found = True
            if found:
                return True
        return False

    return [item for item in bpy.data.objects if item in own or is_used(item)]


def unbaked_or_unknown(modifier: Any, item: Any) -> Iterator[str]:
    """The same as `unbaked`; what cannot be read is not taken as repeatable, nor does it hide the others."""
    try:
        yield from list(unbaked(modifier, item))
    except Exception as error:  # noqa: BLE001  # any data-block may be broken in any way
        yield f"{modifier.name} of {item.name}, which cannot be read ({error})"


def has_cycle() -> bool:
    """Whether the scene, as it is shown, has a dependency cycle of constraints, drivers and the like.

    What Blender evaluates then depends on what it evaluated before. It tells only on stdout, through the
    buffer of the C library.
    """
    library = ctypes.CDLL(None)
    sys.stdout.flush()
    library.fflush(None)
    with tempfile.TemporaryFile() as told:
        stdout = os.dup(1)
        os.dup2(told.fileno(), 1)
        try:
            bpy.context.evaluated_depsgraph_get().debug_tag_update()
            bpy.context.view_layer.update()
        finally:
            library.fflush(None)
            os.dup2(stdout, 1)
            os.close(stdout)
        told.seek(0)
        return CYCLE in told.read(2**20)


def unbaked(modifier: Any, item: Any) -> Iterator[str]:
    """A modifier whose result depends on an earlier computation, without a cache in the scene."""
    name = f"{modifier.name} of {item.name}"
    cache = getattr(modifier, "point_cache", None)
    if cache is not None and not cache.is_baked:
        yield f"unbaked simulation {name}"
    settings = getattr(modifier, "domain_settings", None)
    if settings is not None and not settings.has_cache_baked_any:
        yield f"unbaked fluid {name}"
    system = getattr(modifier, "particle_system", None)
    if system is not None and is_moving(system) and not system.point_cache.is_baked:
        yield f"unbaked particles {name}"
    canvas = getattr(modifier, "canvas_settings", None)
    if canvas and any(not surface.point_cache.is_baked for surface in canvas.canvas_surfaces):
        yield f"unbaked paint {name}"
    if modifier.type == "NODES" and has_unbaked_zone(modifier, item):
        yield f"unbaked simulation {name}"


def has_unbaked_zone(modifier: Any, item: Any) -> bool:
    """Whether a simulation zone of geometry nodes has no bake in the scene.

    Such a zone keeps its state from the frame that was evaluated before, whichever that was. Blender does not
    read bakes in a folder that is read-only, as a bundle is: only packed ones count.
    """
    zones = set(simulation_zones(modifier.node_group, set()))
    bakes = [bake for bake in modifier.bakes if bake.node in zones]
    is_whole = {bake.node for bake in bakes} == zones
    return not (is_whole and all(is_packed(bake, modifier, item) for bake in bakes))


def simulation_zones(tree: Any, seen: set[Any]) -> Iterator[Any]:
    """The nodes that end the simulation zones of a tree, and of the groups in it."""
    if tree is None or tree in seen:
        return
    seen.add(tree)
    for node in tree.nodes:
        if node.bl_idname == "GeometryNodeSimulationOutput":
            yield node
        yield from simulation_zones(getattr(node, "node_tree", None), seen)


def is_packed(bake: Any, modifier: Any, item: Any) -> bool:
    """Whether a bake is in the scene's file.

    Blender's Python does not tell. It can be unpacked only if it is there: from a copy, into a folder that is
    removed again, so that the scene stays as it is.
    """
    copy = item.copy()
    try:
        with tempfile.TemporaryDirectory() as folder:
            bakes = copy.modifiers[modifier.name].bakes
            (copied,) = [one for one in bakes if one.bake_id == bake.bake_id]
            copied.use_custom_path, copied.directory = True, folder
            found = bpy.ops.object.geometry_node_bake_unpack_single(
                session_uid=copy.session_uid,
                modifier_name=modifier.name,
                bake_id=bake.bake_id,
                method="USE_ORIGINAL",
            )
            return "FINISHED" in found
    except (AttributeError, LookupError, RuntimeError, ValueError):
        # Older releases cannot pack; and broken data must not look baked.
        return False
    finally:
        bpy.data.objects.remove(copy)


def is_moving(system: Any) -> bool:
    """Whether particles are simulated. Hair without dynamics and particles without physics are not."""
    if system.settings.type == "HAIR":
        return bool(system.use_hair_dynamics)
    return bool(system.settings.physics_type != "NO")
