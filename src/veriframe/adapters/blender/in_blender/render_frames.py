"""Runs inside Blender: renders a list of frames of one scene in one process and reports its progress.

Arguments: the scene, the output folder, and the task as JSON: `{"frames": [1], "format": "PNG", "scale": 100,
"samples": null}`. Settings that make a frame unrepeatable, or write to other paths, are turned off and
reported.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time

import bpy

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120  # Blender adds no script folder

from reporting import arguments, heartbeat, memory_bytes, report, run  # type: ignore[import-not-found]

STARTED = time.monotonic()
SAMPLES = re.compile(r"Sample (\d{1,9})/(\d{1,9})")
REMAINING = re.compile(r"Remaining:(\d{1,4}(?::\d\d){1,2}(?:\.\d\d)?) ")


class Reporter:
    """Reports the progress of the render at least once a second."""

    def __init__(self, frames: list[int]) -> None:
        self.frames, self.done, self.frame, self.phase = frames, 0, frames[0], "loading"
        self.frame_started, self.beaten = time.monotonic(), 0.0
        self.sampled: float | None = None
        self.expected: float | None = None

    def fraction(self) -> float | None:
        """This frame's progress: by samples, which Cycles reports rarely, or by its expected time."""
        if self.expected is None:
            return self.sampled
        by_time = min(0.99, (time.monotonic() - self.frame_started) / max(self.expected, 1e-3))
        return max(by_time, self.sampled or 0.0)

    def read_statistics(self, statistics: object, *_: object) -> None:
        """Reads the engine's statistics, which come many times a second, and reports progress at times."""
        if found := SAMPLES.search(str(statistics)):
            self.sampled = min(1.0, int(found[1]) / max(1, int(found[2])))
        if found := REMAINING.search(str(statistics)):
            left = sum(float(part) * 60**power for power, part in enumerate(reversed(found[1].split(":"))))
            self.expected = time.monotonic() - self.frame_started + left
        if time.monotonic() - self.beaten > 0.25:
            self.beat()

    def beat(self, *_: object) -> None:
        """Reports progress."""
        self.beaten = time.monotonic()
        report(
            "progress",
            phase=self.phase,
            frame=self.frame,
            done=self.done,
            total=len(self.frames),
            fraction=self.fraction(),
            seconds=round(time.monotonic() - STARTED, 3),
            memory_bytes=memory_bytes("VmRSS"),
        )

    def begin(self, frame: int) -> None:
        """Starts a frame."""
        self.frame, self.phase, self.frame_started = frame, "rendering", time.monotonic()
        self.sampled = self.expected = None
        self.beat()

    def written(self, *_: object) -> None:
        """Notes that a frame's file is being written."""
        self.phase = "writing"

    def end(self, file: str, width: int, height: int) -> None:
        """Reports a finished frame."""
        self.done += 1
        report(
            "frame",
            number=self.frame,
            file=file,
            width=width,
            height=height,
            seconds=round(time.monotonic() - self.frame_started, 4),
            peak_memory_bytes=memory_bytes("VmHWM"),
        )
        self.beat()


def normalise(scene: bpy.types.Scene, task: dict[str, object]) -> list[str]:
    """Makes frames repeatable and keeps writes inside the output folder. Returns what was turned off."""
    render, changed = scene.render, []
    for name in ("use_stamp", "use_multiview", "use_border", "use_crop_to_border", "use_placeholder"):
        if getattr(render, name, False):
            setattr(render, name, False)
            changed.append(f"render.{name}")
    render.use_overwrite, render.use_file_extension, render.use_persistent_data = True, True, True
    render.resolution_percentage = max(1, render.resolution_percentage * int(str(task["scale"])) // 100)
    render.threads_mode = "AUTO"
    bpy.context.preferences.filepaths.use_auto_save_temporary_files = False
    if hasattr(render, "compositor_device"):
        render.compositor_device = "CPU"
    if scene.render.engine == "CYCLES":
        scene.cycles.device = "CPU"
        scene.cycles.use_auto_tile = False
        if task["samples"] is not None:
            scene.cycles.samples = min(scene.cycles.samples, int(str(task["samples"])))
    return changed + mute_outputs(scene) + disable_style_scripts(scene)


def mute_outputs(scene: bpy.types.Scene) -> list[str]:
    """Mutes every File Output node that the render could reach, groups included."""
    trees = [scene.node_tree] if getattr(scene, "node_tree", None) else []
    trees += [group for group in bpy.data.node_groups if group.bl_idname == "CompositorNodeTree"]
    muted = []
    for tree in trees:
        for node in tree.nodes:
            if node.bl_idname == "CompositorNodeOutputFile" and not node.mute:
                node.mute = True
                muted.append(f"File Output node {node.name}")
    return muted


def disable_style_scripts(scene: bpy.types.Scene) -> list[str]:
    """Turns off Freestyle's style modules, which are Python."""
    disabled = []
    for layer in scene.view_layers:
        settings = layer.freestyle_settings
        if settings.mode == "SCRIPT":
            for module in settings.modules:
                module.use = False
            disabled.append(f"Freestyle scripts of {layer.name}")
    return disabled


def set_format(scene: bpy.types.Scene, name: str) -> str:
    """Selects PNG or EXR, with the scene's own colour depth if the format has it. Returns the suffix."""
    image = scene.render.image_settings
    depth, colours = image.color_depth, image.color_mode
    if hasattr(image, "media_type"):
        image.media_type = "IMAGE"
    image.file_format = name
    allowed = {"PNG": ("8", "16"), "OPEN_EXR": ("16", "32")}[name]
    image.color_depth = depth if depth in allowed else allowed[-1 if name == "OPEN_EXR" else 0]
    image.color_mode = colours if colours in ("RGB", "RGBA") or name == "PNG" else "RGB"
    if name == "OPEN_EXR":
        image.exr_codec = "ZIP"  # lossless: the file is decoded and written again
    return ".png" if name == "PNG" else ".exr"


def main() -> None:
    """Loads and normalises the scene, renders each frame and reports."""
    scene_path, out, task_text = arguments()
    task = json.loads(task_text)
    reporter = Reporter(task["frames"])
    reporter.beat()
    heartbeat(reporter.beat)
    bpy.ops.wm.open_mainfile(filepath=scene_path, load_ui=False, use_scripts=False)
    scene = bpy.context.scene
    report("normalised", changed=normalise(scene, task))
    suffix = set_format(scene, task["format"])
    bpy.app.handlers.render_stats.append(reporter.read_statistics)
    bpy.app.handlers.render_post.append(reporter.written)
    scale = scene.render.resolution_percentage
    width, height = scene.render.resolution_x * scale // 100, scene.render.resolution_y * scale // 100
    for frame in task["frames"]:
        reporter.begin(frame)
        scene.frame_set(frame)
        name = f"frame_{frame:04d}{suffix}"
        scene.render.filepath = f"{out}/{name}"
        bpy.ops.render.render(write_still=True)
        reporter.end(name, width, height)
    report("finished")


if __name__ == "__main__":
    run(main)
