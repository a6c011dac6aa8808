"""Renders frame 1 without a sandbox: `python render_bare.py SCENE PNG [scripts]` shows that an attack works.

Only for the scenes of `make_hostile.py`. With `scripts`, Blender runs the scene's own code.
"""

from __future__ import annotations

import os
import sys

import bpy


def main() -> None:
    """Open the scene, render it and exit at once."""
    path, picture, *rest = sys.argv[1:]
    bpy.ops.wm.open_mainfile(filepath=path, load_ui=False, use_scripts=rest == ["scripts"])
    scene = bpy.context.scene
    scene.frame_set(1)
    scene.render.filepath, scene.render.image_settings.file_format = picture, "PNG"
    bpy.ops.render.render(write_still=True)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
