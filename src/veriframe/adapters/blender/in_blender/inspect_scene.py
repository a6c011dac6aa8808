"""Runs inside Blender: opens one scene and finds out what it contains. Changes nothing.

Each fact is read on its own, so that a broken data-block affects only that fact.
"""

# ruff: noqa: ANN401 - Blender's data have no static types

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import bpy
from blocks import all_trees, animated_blocks  # type: ignore[import-not-found]
from differences import changed_later, has_cycle, ignored, unrepeatable, varied  # type: ignore[import-not-found]
from lighting import is_unlit  # type: ignore[import-not-found]
from region_sight import sees_region  # type: ignore[import-not-found]

MOST = 200
"""Entries in one list; of a longer one, the first are reported."""

job_folders: list[str] = []
"""Where the job's files lie: the bundle, or else the scene's own folder."""

IMPORT_NODES = ("GeometryNodeImport", "GeometryNodeInputImportGrid")


def packed(block: Any) -> bool:
    """Whether a data-block's file is packed into the scene."""
    return bool(getattr(block, "packed_file", None) or getattr(block, "packed_files", None))


def present(path: str, library: Any = None) -> bool:
    """Whether a render can use the file: it is in the job's folder or below, or part of Blender.

    Anything else counts as missing even if it exists on this machine: devices, `/proc`, the system's own
    pictures.
    """
    file = os.path.realpath(bpy.path.abspath(path, library=library))
    homes = [*job_folders, *blender_folders()]
    if not any(file.startswith(home.rstrip("/") + "/") for home in homes) or not os.path.isfile(file):  # noqa: PTH113
        return False
    return can_be_read(file)


def can_be_read(file: str) -> bool:
    """Whether the file can be opened; some sandbox levels hide a file's bytes but not its name."""
    try:
        with open(file, "rb"):  # noqa: PTH123  # runs in any Blender's Python
            return True
    except OSError:
        return False


def blender_folders() -> list[str]:
    """The folders of Blender's own fonts, studio lights and asset libraries."""
    found = (bpy.utils.resource_path("LOCAL"), bpy.utils.resource_path("SYSTEM"))
    return [os.path.realpath(folder) for folder in found if folder]


def missing_images() -> Iterator[dict[str, Any]]:
    """Images, sequences, tiles and movies whose files are neither packed nor present."""
    for image in bpy.data.images:
        external = image.source in {"FILE", "SEQUENCE", "MOVIE", "TILED"} and not packed(image)
        if external and image.filepath:
            absent = (path for path in files_of(image) if not present(path, image.library))
            yield from (entry("image", image, path) for path in absent)


def files_of(image: Any) -> list[str]:
    """An image's file, or one for each of its tiles."""
    if image.source != "TILED":
        return [image.filepath]
    # UDIM counts tiles from 1001, ten in a row; UVTILE counts columns and rows from 1.
    tiles = [(t.number, f"u{(t.number - 1001) % 10 + 1}_v{(t.number - 1001) // 10 + 1}") for t in image.tiles]
    return [image.filepath.replace("<UDIM>", f"{n:04d}").replace("<UVTILE>", uv) for n, uv in tiles]


def missing_files() -> Iterator[dict[str, Any]]:
    """Missing files of all other kinds."""
    for library in bpy.data.libraries:
        if not packed(library) and not present(library.filepath, library.library):
            yield entry("library", library, library.filepath, used=True)
    for font in bpy.data.fonts:
        if font.filepath not in {"", "<builtin>"} and not packed(font) and not present(font.filepath):
            yield entry("font", font, font.filepath)
    for name, kind in (
        ("sounds", "sound"),
        ("volumes", "volume"),
        ("cache_files", "cache"),
        ("movieclips", "movie clip"),
    ):
        for block in getattr(bpy.data, name, ()):
            if block.filepath and not packed(block) and not present(block.filepath):
                yield entry(kind, block, block.filepath, used=None if kind != "sound" else False)
    for tree in all_trees():
        for node in tree.nodes:
            path = getattr(node, "filepath", "")
            external = getattr(node, "mode", "") == "EXTERNAL" or node.bl_idname == "ShaderNodeTexIES"
            if external and path and not present(path):
                yield {"kind": "script or light profile", "name": node.name, "path": path, "used": True}


def entry(kind: str, block: Any, path: str, used: bool | None = None) -> dict[str, Any]:
    """One missing file. The picture does not need a block whose only user is itself."""
    real_users = block.users - (1 if getattr(block, "use_fake_user", False) else 0)
    return {"kind": kind, "name": block.name, "path": path, "used": real_users > 0 if used is None else used}


def scripts() -> Iterator[str]:
    """Everything with code: registered texts, drivers, Freestyle style modules, OSL."""
    for text in bpy.data.texts:
        if text.use_module:
            yield f"text {text.name} (runs on load)"
    for block in animated_blocks():
        for driver in block.animation_data.drivers:
            if driver.driver.type == "SCRIPTED" and not driver.driver.is_simple_expression:
                yield f"driver of {block.name} {driver.data_path}"
    for scene in bpy.data.scenes:
        for layer in scene.view_layers:
            if layer.freestyle_settings.mode == "SCRIPT" and len(layer.freestyle_settings.modules):
                yield f"Freestyle style modules of {scene.name}, {layer.name}"
    for tree in all_trees():
        for node in tree.nodes:
            if node.bl_idname == "ShaderNodeScript":
                yield f"OSL node {node.name} in {tree.name}"


def risky() -> Iterator[str]:
    """Nodes that read or write files, and shading code."""
    for tree in all_trees():
        for node in tree.nodes:
            if node.bl_idname == "CompositorNodeOutputFile":
                yield f"File Output node {node.name}"
            elif node.bl_idname.startswith(IMPORT_NODES):
                yield f"{node.bl_label} node {node.name} in {tree.name}"
            elif node.bl_idname == "ShaderNodeScript":
                yield f"OSL node {node.name} in {tree.name}"


def outputs() -> Iterator[str]:
    """The paths that the scene itself would write to."""
    for scene in bpy.data.scenes:
        yield scene.render.filepath
    for tree in all_trees():
        for node in tree.nodes:
            if node.bl_idname == "CompositorNodeOutputFile":
                yield str(getattr(node, "base_path", "") or getattr(node, "directory", ""))


def samples(scene: Any) -> int:
    """Samples per pixel, as the engine counts them."""
    if scene.render.engine == "CYCLES":
        return int(scene.cycles.samples)
    return int(getattr(getattr(scene, "eevee", None), "taa_render_samples", 0))


def facts() -> dict[str, Any]:
    """The whole report; each fact tolerates broken data."""
    scene = bpy.context.scene
    render = scene.render
    scale = render.resolution_percentage
    return {
        "blender": bpy.app.version_string,
        "scene": scene.name,
        "engine": render.engine,
        "width": render.resolution_x * scale // 100,
        "height": render.resolution_y * scale // 100,
        "samples": ask(lambda: samples(scene), 0),
        "frame_start": scene.frame_start,
        "frame_end": scene.frame_end,
        "camera": scene.camera.name if scene.camera else "",
        "view_layers": [layer.name for layer in scene.view_layers if layer.use],
        "missing": some(missing_images) + some(missing_files),
        "scripts": some(scripts),
        "risky": some(risky),
        "outputs": some(outputs),
        "unrepeatable": some(unrepeatable),
        "uses_sequencer": bool(render.use_sequencer and has_strips(scene)),
        "output_is_movie": bool(render.is_movie_format),
        "objects": len(scene.objects),
        "unlit": ask(lambda: is_unlit(scene), False),
        "cameras": some(lambda: (item.name for item in scene.objects if item.type == "CAMERA")),
        "all_view_layers": [layer.name for layer in scene.view_layers][:MOST],
        "frames_per_second": ask(lambda: float(render.fps / render.fps_base), 24.0),
        "seed": ask(lambda: None if scene.cycles.use_animated_seed else scene.cycles.seed, None),
        "path_guiding": ask(lambda: bool(render.engine == "CYCLES" and scene.cycles.use_guiding), False),
        "denoised_layers": ask(lambda: denoised_layers(scene), []),
        "ignored": some(ignored),
        "changed_later": some(lambda: changed_later(scene)),
        "sees_region": some(sees_region),
        "has_cycle": ask(has_cycle, False),
        "varied": some(lambda: varied(scene)),
        "color_depth": ask(lambda: int(render.image_settings.color_depth), 8),
    }


def denoised_layers(scene: Any) -> list[str]:
    """The view layers that Cycles would denoise."""
    if not scene.cycles.use_denoising:
        return []
    return [layer.name for layer in scene.view_layers if layer.cycles.use_denoising][:MOST]


def has_strips(scene: Any) -> bool:
    """Whether the sequencer would replace the rendered picture."""
    editor = scene.sequence_editor
    return bool(editor and len(getattr(editor, "strips", getattr(editor, "sequences", ()))))


def ask(question: Callable[[], Any], otherwise: Any) -> Any:
    """The answer, or `otherwise` if Blender fails on broken data."""
    try:
        return question()
    except Exception as error:  # noqa: BLE001  # any data-block may be broken in any way
        sys.stderr.write(f"inspection failed: {error}\n")
        return otherwise


def some(source: Callable[[], Iterator[Any]]) -> list[Any]:
    """Up to `MOST` answers of one kind; fewer if Blender fails on broken data."""
    found: list[Any] = []

    def collect() -> None:
        for item in source():
            if item not in found:
                found.append(item)
            if len(found) >= MOST:
                return

    ask(collect, None)
    return found


def inspect(scene_path: str, bundle: str = "") -> dict[str, Any]:
    """Open the scene and return the facts, and how long that took. `bundle` is the folder it lies in."""
    started = time.monotonic()
    job_folders[:] = [os.path.realpath(bundle or os.path.dirname(scene_path))]  # noqa: PTH120
    bpy.ops.wm.open_mainfile(filepath=scene_path, load_ui=False, use_scripts=False)
    return {**facts(), "seconds": round(time.monotonic() - started, 4)}
