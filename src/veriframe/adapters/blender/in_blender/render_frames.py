"""Runs inside Blender: renders frames of the open scene and reports its progress.

A task is `{"frames": [1], "format": "PNG", "percent": 100, "samples": null, "region": null,
"has_proof": false, "is_denoised_later": false, "stop_early": null, "overrides": {}}`; a region is
`[left, top, width, height]`, `samples` the most, `stop_early` the share of them that is rendered, such as
`[15, 16]`. Settings that make a frame unrepeatable, or write to other paths, are turned off and reported.
"""

from __future__ import annotations

import struct
import time
from typing import Any

import bpy
import merged_picture  # type: ignore[import-not-found]
from differences import MOST_DITHER  # type: ignore[import-not-found]
from frame_progress import FrameProgress  # type: ignore[import-not-found]
from reporting import heartbeat, memory_bytes, report  # type: ignore[import-not-found]
from task_settings import Settings  # type: ignore[import-not-found]


class Reporter:
    """Reports the progress of one task at least once a second, from its first frame to its last."""

    def __init__(self, frames: list[int], *, denoises: bool = False) -> None:
        self.frames, self.frame, self.denoises = frames, frames[0], denoises
        # Replaced together: a beat from another thread must not count a frame twice, or not at all.
        self.done_and_under_way = 0, FrameProgress(denoises=denoises)
        self.started = time.monotonic()
        self.active, self.beaten = False, 0.0

    def read_statistics(self, statistics: object, *_: object) -> None:
        """Reads the engine's statistics, which come many times a second, and reports progress at times."""
        self.done_and_under_way[1].read(str(statistics))
        if time.monotonic() - self.beaten > 0.25:
            self.beat()

    def beat(self, *_: object) -> None:
        """Reports progress."""
        if not self.active:
            return
        self.beaten = time.monotonic()
        done, progress = self.done_and_under_way
        report(
            "progress",
            phase=progress.phase,
            frame=self.frame,
            done=done,
            total=len(self.frames),
            fraction=progress.fraction(),
            seconds=round(time.monotonic() - self.started, 3),
            memory_bytes=memory_bytes("VmRSS"),
        )

    def begin(self, frame: int) -> None:
        """Starts a frame."""
        self.active = True
        self.frame = frame
        self.done_and_under_way = self.done_and_under_way[0], FrameProgress(denoises=self.denoises)
        self.beat()

    def written(self, *_: object) -> None:
        """Notes that a frame's file is being written."""
        self.done_and_under_way[1].write()

    def end(self, file: str, width: int, height: int) -> None:
        """Reports a finished frame; after the last one, nothing more."""
        done = self.done_and_under_way[0] + 1
        self.done_and_under_way = done, FrameProgress(denoises=self.denoises)
        self.beat()
        self.active = done < len(self.frames)
        report("frame", number=self.frame, file=file, width=width, height=height)


def normalise(scene: bpy.types.Scene) -> list[str]:
    """Makes frames repeatable and keeps writes inside the output folder. Returns what was turned off."""
    render, changed = scene.render, []
    for name in ("use_stamp", "use_multiview", "use_border", "use_crop_to_border", "use_placeholder"):
        if getattr(render, name, False):
            setattr(render, name, False)
            changed.append(f"render.{name}")
    render.use_overwrite, render.use_file_extension, render.use_persistent_data = True, True, True
    if render.dither_intensity > MOST_DITHER:
        render.dither_intensity = MOST_DITHER
        changed.append("render.dither_intensity")
    render.threads_mode = "AUTO"
    bpy.context.preferences.filepaths.use_auto_save_temporary_files = False
    if hasattr(render, "compositor_device"):
        render.compositor_device = "CPU"
    if hasattr(scene, "cycles"):  # which a task may choose
        scene.cycles.device = "CPU"
        scene.cycles.use_auto_tile = False
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


class Studio:
    """The open scene, made repeatable. Each task starts from its own settings."""

    def __init__(self, out: str, merged: str = "") -> None:
        """`merged`: a picture to be shown in place of a render."""
        self.out, self.merged, self.scene, self.reporter = out, merged, bpy.context.scene, Reporter([0])
        self.samples: int | None = None
        report("normalised", changed=normalise(self.scene))
        self.settings = Settings(self.scene)
        bpy.app.handlers.render_stats.append(lambda text, *_: self.reporter.read_statistics(text))
        bpy.app.handlers.render_post.append(lambda *_: self.reporter.written())
        heartbeat(self.beat)

    def beat(self) -> None:
        """Reports the progress of the present task."""
        self.reporter.beat()

    def render(self, task: dict[str, Any]) -> None:
        """Renders each frame of a task and reports."""
        self.settings.apply(task)
        self.reporter = reporter = Reporter(task["frames"], denoises=denoises(self.scene))
        width, height = self.set_size(task)
        suffix = ".png" if task["format"] == "PNG" else ".exr"
        for frame in task["frames"]:
            reporter.begin(frame)
            self.scene.frame_set(frame)
            self.settings.check()
            self.forget_other_samples()
            if self.merged:
                merged_picture.show(self.scene, self.merged)
            name = f"frame_{frame:04d}{suffix}"
            self.scene.render.filepath = f"{self.out}/{name}"
            bpy.ops.render.render(write_still=True)
            if task["has_proof"]:
                self.write_proof(f"{self.out}/proof_{frame:04d}.exr")
            reporter.end(name, width, height)

    def forget_other_samples(self) -> None:
        """Frees what the last render left in memory if it had another number of samples.

        Cycles would go on with the sample sequence of that number, and the picture would depend on it.
        """
        samples = self.scene.cycles.samples if hasattr(self.scene, "cycles") else 0
        render = self.scene.render
        if samples != self.samples and render.use_persistent_data:
            render.use_persistent_data = False  # this frees it
            render.use_persistent_data = True
        self.samples = samples

    def write_proof(self, path: str) -> None:
        """Writes all passes of the frame that was just rendered, uncompressed: it is decoded at once."""
        image = self.scene.render.image_settings
        own = image.file_format, image.color_depth, image.color_mode, image.exr_codec
        image.file_format, image.color_depth, image.exr_codec = "OPEN_EXR_MULTILAYER", "32", "NONE"
        result = next(image for image in bpy.data.images if image.type == "RENDER_RESULT")
        result.save_render(path, scene=self.scene)
        image.file_format, image.color_depth, image.color_mode, image.exr_codec = own

    def set_size(self, task: dict[str, Any]) -> tuple[int, int]:
        """Scales the picture and selects the task's region. Returns the size of the frames."""
        render = self.scene.render
        percent = max(1, render.resolution_percentage * task["percent"] // 100)
        self.settings.put(render, "resolution_percentage", percent)
        scale = render.resolution_percentage
        width, height = render.resolution_x * scale // 100, render.resolution_y * scale // 100
        if task["region"] is None:
            render.use_border = render.use_crop_to_border = False
            return width, height
        left, top, across, down = task["region"]
        if not (0 <= left < left + across <= width and 0 <= top < top + down <= height):
            raise ValueError("the region is outside the picture")
        # Fractions of the picture, which Blender rounds down to pixels; its first row is the lowest one.
        for name, value in {
            "use_border": True,
            "use_crop_to_border": True,
            "border_min_x": border(left, width),
            "border_max_x": border(left + across, width),
            "border_min_y": border(height - top - down, height),
            "border_max_y": border(height - top, height),
        }.items():
            self.settings.put(render, name, value)
        return across, down


def denoises(scene: bpy.types.Scene) -> bool:
    """Whether Cycles denoises the picture."""
    return bool(scene.render.engine == "CYCLES" and scene.cycles.use_denoising)


def border(pixel: int, pixels: int) -> float:
    """A fraction, as Blender keeps it, that it rounds down to this pixel."""
    (kept,) = struct.unpack("f", struct.pack("f", min(1.0, (pixel + 0.5) / pixels)))
    return float(kept)
