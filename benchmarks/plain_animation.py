"""The plain way to render an animation: Blender's own, with persistent data, in one process.

Arguments: the scene, the output folder, the first and the last frame.
"""

from __future__ import annotations

import os
import sys

import bpy

scene, out, first, last = sys.argv[1:]
bpy.ops.wm.open_mainfile(filepath=scene, load_ui=False)
context = bpy.context.scene
context.frame_start, context.frame_end = int(first), int(last)
context.render.use_persistent_data = True
context.render.filepath = f"{out}/frame_####"
bpy.ops.render.render(animation=True)
# Blender may hang while it shuts down; the frames are already written.
os._exit(0)
