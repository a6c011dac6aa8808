"""Runs inside Blender: opens a scene and writes down which files it names. Changes nothing.

Arguments: the scene and the file to write. Paths are absolute and percent-encoded, since a name on a disk
need not be text.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from urllib.parse import quote_from_bytes

_HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120  # Blender adds no script folder
sys.path[:0] = [_HERE, os.path.dirname(_HERE)]  # noqa: PTH120

from reporting import arguments, report, run  # type: ignore[import-not-found]  # noqa: E402

MOST = 200


def main() -> None:
    """Write the file."""
    import bpy  # noqa: PLC0415  # a missing shared library must be reported, not crash the script
    import named_paths as named  # type: ignore[import-not-found]  # noqa: PLC0415

    scene, out = arguments()
    bpy.ops.wm.open_mainfile(filepath=scene, load_ui=False, use_scripts=False)
    files, known = [], set()
    for place in named.places():
        known.add(os.path.normpath(place.value))
        known.add(place.absolute)
        if place.kind in {named.OUTPUT, named.PACKED, named.TEXT}:
            continue
        files.append(
            {
                "kind": place.kind,
                "block": place.block.name,
                "path": quote_from_bytes(os.fsencode(place.absolute)),
                "shape": place.shape,
                "used": place.used,
                "derived": not place.attribute,
                "folder": quote_from_bytes(os.fsencode(_owner(place.block))),
            }
        )
    content = {
        "files": files,
        "unknown": sorted(_unknown(known))[:MOST],
        "machine": sorted(_machine())[:MOST],
    }
    with open(out, "w", encoding="ascii") as stream:  # noqa: PTH123
        json.dump(content, stream)
    report("finished")


def _owner(block: object) -> str:
    """The `.blend` that holds a data-block."""
    import bpy  # noqa: PLC0415

    library = getattr(block, "library", None)
    return str(os.path.normpath(bpy.path.abspath(library.filepath) if library else bpy.data.filepath))


def _unknown(known: set[str]) -> Iterator[str]:
    """Paths that Blender knows of and `named_paths` does not."""
    import bpy  # noqa: PLC0415

    for block, paths in bpy.data.file_path_map().items():
        for path in paths:
            absolute = os.path.normpath(bpy.path.abspath(path, library=block.library))
            if path not in {"", "<builtin>"} and not known & {path, os.path.normpath(path), absolute}:
                yield quote_from_bytes(os.fsencode(f"{block.name}: {path}"), safe="/ :")


def _machine() -> Iterator[str]:
    """Nodes that an add-on would have to define."""
    import named_paths as named  # noqa: PLC0415

    for tree, block in named.trees():
        for node in tree.nodes:
            if node.bl_idname == "NodeUndefined":
                yield quote_from_bytes(os.fsencode(f"the node {node.name} of {block.name}"), safe="/ :")


if __name__ == "__main__":
    run(main)
