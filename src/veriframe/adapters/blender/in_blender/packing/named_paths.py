"""Every place in the open scene that names a file, by what the file is for.

A `Place` can be read, and set to another path. Paths within a `.blend` are relative to its own folder (`//`).
"""

# ruff: noqa: ANN401 - Blender's data have no static types

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import bpy

OUTPUT, PACKED, TEXT = "output", "packed", "text"
"""Kinds that name no file to take along: outputs, files within the scene, and where a text came from."""

BAKE = "bake"
"""Bakes of geometry nodes, which are put into the scene."""

_TREES = ("materials", "worlds", "lights", "scenes", "textures", "linestyles")
_IMPORTS = {
    "GeometryNodeImportOBJ": "mesh",
    "GeometryNodeImportPLY": "mesh",
    "GeometryNodeImportSTL": "mesh",
    "GeometryNodeImportCSV": "table",
    "GeometryNodeImportVDB": "volume",
}


@dataclass
class Place:
    """One place: the data-block, the structure and the attribute that holds the path.

    `shape` is `file`, `tiles`, `sequence` or `folder`. `path` overrides the attribute's; without an attribute
    nothing can be set, and the folder is found by the name of its `.blend`.
    """

    kind: str
    block: Any
    holder: Any
    attribute: str
    shape: str = "file"
    used: bool = True
    path: str = ""

    @property
    def value(self) -> str:
        """The path as the scene has it."""
        return self.path or (str(getattr(self.holder, self.attribute, "")) if self.attribute else "")

    @property
    def absolute(self) -> str:
        """The absolute path. A data-block of a library names files relative to that library."""
        found = bpy.path.abspath(self.value, library=getattr(self.block, "library", None))
        return str(os.path.normpath(found))

    @property
    def is_local(self) -> bool:
        """Whether the open `.blend` itself holds it."""
        return getattr(self.block, "library", None) is None

    def set(self, path: str) -> None:
        """Set another path."""
        if self.attribute and getattr(self.holder, self.attribute) != path:
            setattr(self.holder, self.attribute, path)


def places() -> Iterator[Place]:
    """All places in the open scene, those of linked data-blocks included, but for Blender's own files."""
    own = tuple(f"{os.path.realpath(folder)}/" for folder in _own_folders())
    for source in (libraries, images, blocks, nodes, modifiers, rigid_worlds, outputs, strips):
        for place in source():
            if place.value and not os.path.realpath(place.absolute).startswith(own):
                yield place


def _own_folders() -> list[str]:
    """Where Blender keeps its own brushes, fonts and lights: each Blender has them."""
    return [folder for kind in ("LOCAL", "SYSTEM") if (folder := bpy.utils.resource_path(kind))]


def needed(block: Any) -> bool:
    """Whether anything but itself uses a data-block."""
    return int(block.users) - int(bool(block.use_fake_user)) > 0


def libraries() -> Iterator[Place]:
    """Linked scenes, and those that they link."""
    for library in bpy.data.libraries:
        yield Place(PACKED if library.packed_file else "library", library, library, "filepath")


def images() -> Iterator[Place]:
    """Images, sequences, tiles and movies."""
    shapes = {"FILE": "file", "MOVIE": "file", "SEQUENCE": "sequence", "TILED": "tiles"}
    for image in bpy.data.images:
        if image.packed_file or len(image.packed_files) or image.source not in shapes:
            yield Place(PACKED, image, image, "filepath_raw")
            for part in image.packed_files:
                yield Place(PACKED, image, part, "filepath")
        else:
            kind = "movie" if image.source == "MOVIE" else "image"
            # Setting `filepath` would load the file.
            yield Place(kind, image, image, "filepath_raw", shapes[image.source], needed(image))


def blocks() -> Iterator[Place]:
    """Fonts, sounds, volumes, caches of geometry, movie clips and texts."""
    for font in bpy.data.fonts:
        if font.filepath != "<builtin>":
            yield Place(PACKED if font.packed_file else "font", font, font, "filepath", "file", needed(font))
    for sound in bpy.data.sounds:
        kind = PACKED if sound.packed_file else "sound"
        yield Place(kind, sound, sound, "filepath", "file", needed(sound))
    for volume in bpy.data.volumes:
        shape = "sequence" if volume.is_sequence else "file"
        kind = PACKED if volume.packed_file else "volume"
        yield Place(kind, volume, volume, "filepath", shape, needed(volume))
    for cache in bpy.data.cache_files:
        shape = "sequence" if cache.is_sequence else "file"
        yield Place("cache", cache, cache, "filepath", shape, needed(cache))
    for clip in bpy.data.movieclips:
        shape, kind = ("sequence", "image") if clip.source == "SEQUENCE" else ("file", "movie")
        yield Place(kind, clip, clip, "filepath", shape, needed(clip))
    for text in bpy.data.texts:
        yield Place(TEXT, text, text, "filepath")


def trees() -> Iterator[tuple[Any, Any]]:
    """Every node tree, with the data-block that it is in: a group is its own."""
    for group in bpy.data.node_groups:
        yield group, group
    for name in _TREES:
        for block in getattr(bpy.data, name, ()):
            if getattr(block, "node_tree", None):
                yield block.node_tree, block


def nodes() -> Iterator[Place]:
    """Nodes that read or write files."""
    for tree, block in trees():
        for node in tree.nodes:
            if node.bl_idname == "ShaderNodeTexIES" and node.mode == "EXTERNAL":
                yield Place("light profile", block, node, "filepath")
            elif node.bl_idname == "ShaderNodeScript" and node.mode == "EXTERNAL":
                yield Place("shader script", block, node, "filepath")
            elif node.bl_idname == "CompositorNodeOutputFile":
                yield Place(OUTPUT, block, node, "directory" if hasattr(node, "directory") else "base_path")
            elif node.bl_idname in _IMPORTS:
                yield Place(_IMPORTS[node.bl_idname], block, node.inputs[0], "default_value")


def modifiers() -> Iterator[Place]:
    """Caches and bakes of modifiers and particles."""
    for item in bpy.data.objects:
        for modifier in item.modifiers:
            yield from of_modifier(item, modifier)
        for system in item.particle_systems:
            yield from of_point_cache(item, system.point_cache)


def of_modifier(item: Any, modifier: Any) -> Iterator[Place]:
    """The files of one modifier."""
    if modifier.type == "MESH_CACHE":
        yield Place("mesh cache", item, modifier, "filepath")
    elif modifier.type == "OCEAN" and modifier.is_cached:
        yield Place("ocean cache", item, modifier, "filepath", "folder")
    elif modifier.type == "FLUID" and modifier.domain_settings:
        yield Place("fluid cache", item, modifier.domain_settings, "cache_directory", "folder")
    elif modifier.type == "NODES":
        baked = on_disk(modifier)
        is_read = any(not bake.use_custom_path for bake in baked)
        yield Place(BAKE if is_read else TEXT, item, modifier, "bake_directory", "folder")
        for bake in modifier.bakes:
            is_read = bake in baked and bake.use_custom_path
            yield Place(BAKE if is_read else TEXT, item, bake, "directory", "folder")
    elif modifier.type == "DYNAMIC_PAINT" and modifier.canvas_settings:
        for surface in modifier.canvas_settings.canvas_surfaces:
            yield Place(OUTPUT, item, surface, "image_output_path")
            yield from of_point_cache(item, surface.point_cache)
    elif modifier.type != "PARTICLE_SYSTEM":
        yield from of_point_cache(item, getattr(modifier, "point_cache", None))


def on_disk(modifier: Any) -> list[Any]:
    """The bakes of geometry nodes that are files beside the scene."""
    bakes = modifier.bakes if modifier.type == "NODES" else ()
    inherited = [(bake, bake.bake_target == "INHERIT") for bake in bakes]
    return [bake for bake, is_own in inherited if (modifier if is_own else bake).bake_target == "DISK"]


def of_point_cache(block: Any, cache: Any) -> Iterator[Place]:
    """The folder of a point cache that is on the disk: named, or beside the scene and called after it."""
    if cache is None:
        return
    if cache.use_external:
        yield Place("point cache", block, cache, "filepath", "folder")
    elif cache.use_disk_cache:
        library = block.library if block.library and cache.use_library_path else None
        owner = bpy.path.abspath(library.filepath) if library else bpy.data.filepath
        stem = os.path.splitext(os.path.basename(owner))[0]  # noqa: PTH119, PTH122
        folder = os.path.join(os.path.dirname(owner), f"blendcache_{stem}")  # noqa: PTH118, PTH120
        yield Place("point cache", block, cache, "", "folder", path=folder)


def rigid_worlds() -> Iterator[Place]:
    """The caches of rigid bodies."""
    for scene in bpy.data.scenes:
        if scene.rigidbody_world:
            yield from of_point_cache(scene, scene.rigidbody_world.point_cache)


def outputs() -> Iterator[Place]:
    """Where scenes write their pictures and bakes."""
    for scene in bpy.data.scenes:
        yield Place(OUTPUT, scene, scene.render, "filepath")
        yield Place(OUTPUT, scene, scene.render.bake, "filepath")


def strips() -> Iterator[Place]:
    """The sequencer's strips: jobs do not render it."""
    for scene in bpy.data.scenes:
        editor = scene.sequence_editor
        for strip in getattr(editor, "strips_all", getattr(editor, "sequences_all", ())) if editor else ():
            for attribute in ("filepath", "directory"):
                if hasattr(strip, attribute):
                    yield Place(OUTPUT, scene, strip, attribute)
