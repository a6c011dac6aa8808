"""Runs inside Blender: how renders of a scene differ from one another, and from what the scene sets."""

# ruff: noqa: ANN401 - Blender's data have no static types

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bpy
from region_sight import readers, tells_machine  # type: ignore[import-not-found]

IGNORED = {"use_border": "Render Region", "use_multiview": "Stereoscopy", "use_stamp": "Burn Into Image"}
"""Settings of `RenderSettings` that `render_frames.py` turns off, by the names that Blender shows."""


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
    for item in scene.objects:
        for modifier in item.modifiers:
            if modifier.show_render:
                yield from unbaked(modifier, item)
        if item.rigid_body and item.rigid_body.type == "ACTIVE" and item.rigid_body.enabled:
            world = scene.rigidbody_world
            if world and world.enabled and not world.point_cache.is_baked:
                yield f"unbaked rigid body {item.name}"


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


def is_moving(system: Any) -> bool:
    """Whether particles are simulated. Hair without dynamics and particles without physics are not."""
    if system.settings.type == "HAIR":
        return bool(system.use_hair_dynamics)
    return bool(system.settings.physics_type != "NO")
