"""How a worker's own program may use Blender: what its scene has, and how its scripts set Blender up."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from veriframe.adapters.blender import runtimes

Change = tuple[str, str]

FEATURES = {
    "adaptive sampling": "scene.cycles.use_adaptive_sampling = True",
    "motion blur": "render.use_motion_blur = True",
    "film transparent": 'render.film_transparent = True; render.image_settings.color_mode = "RGBA"',
    "several view layers": 'scene.view_layers.new("second").samples = 2',
    "a compositor": """
scene.use_nodes = True
tree = scene.node_tree
invert = tree.nodes.new("CompositorNodeInvert")
for node in tree.nodes:
    if node.type == "R_LAYERS": tree.links.new(node.outputs["Image"], invert.inputs["Color"])
for node in tree.nodes:
    if node.type == "COMPOSITE": tree.links.new(invert.outputs["Color"], node.inputs["Image"])
""",
    "Freestyle": "render.use_freestyle = True; render.line_thickness = 3",
    "stereoscopy, which is turned off": """
render.use_multiview, render.views_format = True, "STEREO_3D"
render.image_settings.views_format = "STEREO_3D"
""",
}
"""What a scene uses, as Python that changes it."""

SETUPS = {
    "one thread": (
        'render.threads_mode = "AUTO"',
        'render.threads_mode, render.threads = "FIXED", 1',
    ),
    "three threads": (
        'render.threads_mode = "AUTO"',
        'render.threads_mode, render.threads = "FIXED", 3',
    ),
    "tiles of 32 pixels": (
        "scene.cycles.use_auto_tile = False",
        "scene.cycles.use_auto_tile, scene.cycles.tile_size = True, 32",
    ),
    "tiles of 2048 pixels": (
        "scene.cycles.use_auto_tile = False",
        "scene.cycles.use_auto_tile, scene.cycles.tile_size = True, 2048",
    ),
    "nothing kept in memory": (
        "render.use_persistent_data = True, True, True",
        "render.use_persistent_data = True, True, False",
    ),
}
"""How a worker's own program may set Blender up, as a change of render_frames.py."""


class OtherProgram(runtimes.BpyWheel):
    """Blender under another worker's program, in whose render_frames.py each first text is the second."""

    def __init__(self, *changes: Change) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="other-program-")
        self._scripts = shutil.copytree(runtimes.SCRIPTS, Path(self._folder.name) / "scripts")
        file = self._scripts / "render_frames.py"
        source = file.read_text("utf-8")
        for old, new in changes:
            assert source.count(old) == 1
            source = source.replace(old, new)
        file.write_text(source, "utf-8")

    def visible(self) -> Mapping[PurePosixPath, Path]:
        """These scripts in place of ours."""
        own = runtimes.SCRIPTS
        return {
            inside: self._scripts if there == own else there for inside, there in super().visible().items()
        }
