"""Runs inside Blender: opens one scene, inspects it and renders its frames, as it is told.

Arguments: the scene, the output folder, the bundle that the scene lies in, and a merged picture to be shown
in place of a render; the last two may be empty words. It reports `ready` and reads commands, one JSON object
a line: `{"open": true}` once, when the scene exists, and then any number of `{"render": {...}}`, with a task
as `render_frames.py` describes. It ends with its commands.
"""

from __future__ import annotations

import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120  # Blender adds no script folder

from reporting import arguments, commands, report, run  # type: ignore[import-not-found]


def main() -> None:
    """Obey the commands."""
    # A missing shared library must be reported, not crash the script.
    import inspect_scene  # type: ignore[import-not-found]  # noqa: PLC0415
    import render_frames  # type: ignore[import-not-found]  # noqa: PLC0415

    scene, out, bundle, merged = arguments()
    studio = None
    report("ready")
    for line in commands():
        task = json.loads(line).get("render")
        if task is None:
            report("inspection", **inspect_scene.inspect(scene, bundle))
        else:
            studio = studio or render_frames.Studio(out, merged)
            studio.render(task)


if __name__ == "__main__":
    run(main)
