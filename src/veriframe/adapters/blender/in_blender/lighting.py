"""Runs inside Blender: whether nothing in the open scene can give light, so that its picture is black."""

# ruff: noqa: ANN401 - Blender's data have no static types

from __future__ import annotations

from typing import Any

import bpy

ENGINES = ("CYCLES", "BLENDER_EEVEE_NEXT", "BLENDER_EEVEE")
"""The engines that show nothing without light."""

STROKES = ("GPENCIL", "GREASEPENCIL")
"""Objects that may be drawn without light."""

EMISSION = (
    ("Strength", "Color"),
    ("Emission Strength", "Emission Color"),
    ("Emission Strength", "Emission"),
    ("Blackbody Intensity", "Blackbody Tint"),
    ("Emissive Color", "Emissive Color"),
)
"""The sockets of nodes that give light: its strength and its colour."""


def is_unlit(scene: Any) -> bool:
    """Whether the picture must be black. Whatever is not understood counts as light."""
    render = scene.render
    return (
        render.engine in ENGINES
        and not render.use_freestyle
        and not getattr(scene, "use_nodes", False)
        and not getattr(scene, "compositing_node_group", None)
        and not scene.view_settings.use_curve_mapping
        and not is_bright(scene.world)
        and not any(gives_light(item) for item in bpy.data.objects)
        and not any(may_glow(tree) for tree in trees())
    )


def is_bright(world: Any) -> bool:
    """Whether a scene's world may give light."""
    if world is None:
        return False
    return may_glow(world.node_tree) if world.use_nodes else any(world.color)


def gives_light(item: Any) -> bool:
    """Whether an object may be seen without other light, whatever its materials."""
    if item.hide_render:
        return False
    if item.type == "LIGHT":
        return bool(item.data.energy or item.data.use_nodes)
    return item.type in STROKES


def trees() -> list[Any]:
    """The node trees of all materials, and all groups."""
    materials = [material.node_tree for material in bpy.data.materials if material.use_nodes]
    return [*materials, *bpy.data.node_groups]


def may_glow(tree: Any) -> bool:
    """Whether a node of a tree may give light."""
    return tree is not None and any(emits(node) for node in tree.nodes if not node.mute)


def emits(node: Any) -> bool:
    """Whether a node may give light: it runs code, or its strength and colour are not both zero for sure."""
    if node.type == "SCRIPT":
        return True
    if node.type not in {"EMISSION", "BACKGROUND", "BSDF_PRINCIPLED", "EEVEE_SPECULAR", "PRINCIPLED_VOLUME"}:
        return False
    sockets = node.inputs
    return any(all(name in sockets and is_positive(sockets[name]) for name in names) for names in EMISSION)


def is_positive(socket: Any) -> bool:
    """Whether a socket's value may be above zero: it is linked, or is a number or a colour that is."""
    if socket.is_linked:
        return True
    value = socket.default_value
    return value > 0 if isinstance(value, float) else any(channel > 0 for channel in value[:3])
