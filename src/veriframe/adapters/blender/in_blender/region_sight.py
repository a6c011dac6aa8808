"""Runs inside Blender: what in a scene may see which part of the picture is rendered.

A verifier renders tiles by themselves. Whatever sees that can make a tile differ from the whole picture.
"""

# ruff: noqa: ANN401 - Blender's data have no static types

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import bpy
from blocks import all_trees, animated_blocks  # type: ignore[import-not-found]

SETTINGS = ("render.", "cycles.")
"""Beginnings of paths to the settings of a render."""

NAMES = ("attribute_name", "layer_name", "uv_map")
"""What shader nodes call an attribute; Cycles looks all of them up alike, whatever the node's kind."""


def sees_region() -> Iterator[str]:
    """Drivers, nodes and cameras that may see which part is rendered."""
    try:
        yield from seeing()
    except Exception:  # noqa: BLE001  # any data-block may be broken in any way, and hide the others
        yield "data that cannot be read"


def seeing() -> Iterator[str]:
    """The same, as far as the data can be read."""
    yield from readers(may_tell)
    for tree in all_trees():
        for node in tree.nodes:
            if node.bl_idname == "ShaderNodeScript":  # OSL asks the renderer for the picture's size
                yield f"OSL node {node.name} in {tree.name}"
    for camera in bpy.data.cameras:
        if camera.type == "CUSTOM":
            yield f"OSL camera {camera.name}"


def readers(is_read: Callable[[str], bool]) -> Iterator[str]:
    """Drivers, and nodes of attributes, that read such a path."""
    for block in animated_blocks():
        for curve in block.animation_data.drivers:
            if any(is_read(path) for path in read_paths(curve.driver)):
                yield f"driver of {block.name} {curve.data_path}"
    for tree in all_trees():
        for node in tree.nodes:
            if any(is_read(getattr(node, name, "")) for name in NAMES):
                yield f"{node.bl_label} node {node.name} in {tree.name}"


def tells_machine(path: str) -> bool:
    """Whether a path leads to a setting that each machine has of its own: how many threads render."""
    return "threads" in path.lower()


def read_paths(driver: Any) -> Iterator[str]:
    """The paths of the values that a driver reads."""
    for variable in driver.variables:
        yield from (target.data_path for target in variable.targets)


def may_tell(path: str) -> bool:
    """Whether a path may lead to the border of the render. Other settings of a render count, too."""
    return "border" in path.lower() or any(part in path for part in SETTINGS)
