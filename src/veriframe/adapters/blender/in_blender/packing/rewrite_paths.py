"""Runs inside Blender: opens a scene and saves it with other paths, in a form that two saves share.

Arguments: the scene, the plan and the file to write, uncompressed. The plan is JSON: `{"place": "a/b.blend",
"paths": {"/absolute": "c/d.png"}}`, all percent-encoded. Paths that it lacks become names without a folder.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from urllib.parse import unquote_to_bytes

_HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120  # Blender adds no script folder
sys.path[:0] = [_HERE, os.path.dirname(_HERE)]  # noqa: PTH120

from reporting import arguments, report, run  # type: ignore[import-not-found]  # noqa: E402


def main() -> None:
    """Open, rewrite, save."""
    import bpy  # noqa: PLC0415  # a missing shared library must be reported, not crash the script
    import named_paths as named  # type: ignore[import-not-found]  # noqa: PLC0415
    from canonical import make_canonical  # type: ignore[import-not-found]  # noqa: PLC0415

    scene, plan_file, out = arguments()
    with open(plan_file, encoding="ascii") as stream:  # noqa: PTH123
        plan = json.load(stream)
    paths = {_decoded(path): _decoded(place) for path, place in plan["paths"].items()}
    home = os.path.dirname(_decoded(plan["place"]))  # noqa: PTH120
    bpy.ops.wm.open_mainfile(filepath=scene, load_ui=False, use_scripts=False)
    # All places are found before any is changed: a path may depend on a library's.
    found = [(place, place.absolute) for place in named.places() if place.is_local]
    pack_bakes()
    packed = 0
    for place, absolute in found:
        if place.kind == named.OUTPUT:
            place.set("//")
        elif place.kind in {named.TEXT, named.BAKE}:
            place.set("")
        elif absolute in paths:
            place.set("//" + os.path.relpath(paths[absolute], home or "."))
        elif place.kind == named.PACKED:
            packed += 1
            place.set(f"//packed/{packed}/{_name(absolute)}")
        else:
            place.set(f"//missing/{_name(absolute)}")
    with tempfile.TemporaryDirectory() as folder:
        saved = f"{folder}/saved.blend"
        _save(saved)
        with open(saved, "rb") as raw:  # noqa: PTH123
            data = bytearray(raw.read())
    make_canonical(data)
    with open(out, "wb") as target:  # noqa: PTH123
        target.write(data)
    report("finished")


def pack_bakes() -> None:
    """Put bakes of geometry nodes into the scene: Blender does not read them from a read-only folder."""
    import bpy  # noqa: PLC0415
    import named_paths as named  # noqa: PLC0415

    for item in bpy.data.objects:
        for modifier in item.modifiers if item.library is None else ():
            for bake in named.on_disk(modifier):
                bpy.ops.object.geometry_node_bake_pack_single(
                    session_uid=item.session_uid, modifier_name=modifier.name, bake_id=bake.bake_id
                )


def _save(path: str) -> None:
    import bpy  # noqa: PLC0415

    preferences = bpy.context.preferences.filepaths
    preferences.save_version = 0
    preferences.file_preview_type = "NONE"
    bpy.ops.wm.save_as_mainfile(filepath=path, copy=True, relative_remap=False, compress=False)


def _decoded(text: str) -> str:
    return os.fsdecode(unquote_to_bytes(text))


def _name(path: str) -> str:
    return os.path.basename(path.rstrip("/")) or "file"  # noqa: PTH119


if __name__ == "__main__":
    run(main)
