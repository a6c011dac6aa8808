"""The plain way to render one frame: a separate Blender process without a sandbox.

The same as `blender -b SCENE -o OUT -f FRAME`, with the `bpy` wheel instead of the executable.
Arguments: the scene, the output file without its ending, the frame.
"""

from __future__ import annotations

import os
import sys

import bpy

scene, out, frame = sys.argv[1:]
bpy.ops.wm.open_mainfile(filepath=scene, load_ui=False)
bpy.context.scene.frame_set(int(frame))
bpy.context.scene.render.filepath = out
bpy.ops.render.render(write_still=True)
# Blender may hang while it shuts down; the frame is already written.
os._exit(0)
