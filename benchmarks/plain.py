"""The plain way to render one frame: a Blender process of its own, no walls, nothing kept between frames.

The same as `blender -b SCENE -o OUT -f FRAME`, with the `bpy` wheel for the executable.
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
# Blender may hang while it tears itself down; the frame is written.
os._exit(0)
