"""Runs inside Blender: goes through the data of the open scene and of its libraries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bpy

INTERFACE = {"screens", "window_managers", "workspaces"}
"""Collections that no render depends on."""


def all_blocks() -> Iterator[Any]:
    """Every data-block, linked ones included, of every kind that this Blender has."""
    for kind in bpy.data.bl_rna.properties:
        if kind.type == "COLLECTION" and kind.identifier not in INTERFACE:
            yield from getattr(bpy.data, kind.identifier)


def all_trees() -> Iterator[Any]:
    """Every node tree: groups, and those inside materials, worlds, lights, scenes and line styles."""
    yield from bpy.data.node_groups
    for block in all_blocks():
        if tree := getattr(block, "node_tree", None):
            yield tree


def animated_blocks() -> Iterator[Any]:
    """Every data-block, and every tree inside one, with animation data of its own."""
    for source in (all_blocks, all_trees):
        yield from (block for block in source() if getattr(block, "animation_data", None))
