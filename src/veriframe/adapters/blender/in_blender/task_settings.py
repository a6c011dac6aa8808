"""Runs inside Blender: gives the open scene the settings of a task, and its own ones back before the next.

Blender ignores many values that it does not know, so each is compared after it has been set.
"""

# ruff: noqa: ANN401 - Blender's data have no static types

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bpy
from differences import changed_later  # type: ignore[import-not-found]
from region_sight import sees_region  # type: ignore[import-not-found]

DEPTHS = {"PNG": ("8", "16"), "OPEN_EXR": ("16", "32"), "OPEN_EXR_MULTILAYER": ("16", "32")}
"""The colour depths of each format, as Blender writes them; the scene's own is kept if it is one of them."""

EEVEE_PASSES = (
    *("z", "mist", "position", "normal", "vector", "emit", "environment", "shadow", "ambient_occlusion"),
    *("diffuse_direct", "diffuse_color", "glossy_direct", "glossy_color"),
)


class Settings:
    """The settings of the open scene that tasks change."""

    def __init__(self, scene: bpy.types.Scene) -> None:
        self.scene = scene
        self._own: list[tuple[Any, str, Any]] = []
        self._given: list[tuple[Any, str, Any]] = []

    def put(self, owner: Any, name: str, value: Any) -> None:
        """Changes one setting until `restore`. Raises `ValueError` if the scene cannot have it."""
        before = getattr(owner, name)
        if before != value:
            self._own.append((owner, name, before))
            try:
                setattr(owner, name, value)
            except TypeError as error:
                raise ValueError(f"{name} cannot be {value}: {error}") from None
        # A later value of the same setting goes before: a probe's samples, those of the job.
        self._given = [one for one in self._given if one[:2] != (owner, name)]
        self._given.append((owner, name, value))
        self.check()

    def check(self) -> None:
        """Raises `ValueError` if a setting is not what it was set to, by itself or by an animation."""
        for owner, name, value in self._given:
            if getattr(owner, name) != value:
                raise ValueError(f"{name} cannot be {value} in this scene")

    def restore(self) -> None:
        """Gives the scene its own settings back."""
        for owner, name, value in reversed(self._own):
            setattr(owner, name, value)
        self._own.clear()
        self._given.clear()

    def apply(self, task: dict[str, Any]) -> None:
        """The task's settings in place of the scene's. Raises `ValueError` if the scene cannot have one."""
        self.restore()
        asked = {name: value for name, value in task["overrides"].items() if value not in (None, [])}
        if "engine" in asked:
            self.put(self.scene.render, "engine", asked["engine"])
        if self.scene.render.engine != "CYCLES":
            for name in ("seed", "denoise"):
                if name in asked:
                    raise ValueError(f"{name} is a setting of Cycles")
            if task["has_proof"] or task["is_denoised_later"]:
                raise ValueError("only Cycles keeps what it rendered before denoising")
        for name in ("camera", "view_layer", "resolution", "samples", "seed", "denoise", "passes"):
            if name in asked:
                getattr(self, f"_{name}")(asked[name])
        self._bound_samples(task["samples"])
        if task["stop_early"] is not None:
            self._stop_early(*task["stop_early"])
        if len({layer.samples for layer in self.used_layers()}) > 1:
            # A later frame would have one layer's samples in all layers.
            self.put(self.scene.render, "use_persistent_data", False)
        self._keep_passes(task)
        self._format(task["format"], asked.get("color_depth"))

    def used_layers(self) -> list[Any]:
        """The view layers that are rendered."""
        return [layer for layer in self.scene.view_layers if layer.use]

    def _camera(self, name: str) -> None:
        found = self.scene.objects.get(name)
        if found is None or found.type != "CAMERA":
            raise ValueError(f"the scene has no camera {name}")
        for marker in self.scene.timeline_markers:
            if marker.camera is not None:  # it would become the scene's at its frame
                self.put(marker, "camera", None)
        self.put(self.scene, "camera", found)

    def _view_layer(self, name: str) -> None:
        if name not in self.scene.view_layers:
            raise ValueError(f"the scene has no view layer {name}")
        for layer in self.scene.view_layers:
            self.put(layer, "use", layer.name == name)

    def _resolution(self, size: list[int]) -> None:
        render = self.scene.render
        self._still(render, "resolution_")
        for name, value in zip(("x", "y", "percentage"), (*size, 100), strict=True):
            self.put(render, f"resolution_{name}", value)

    def _samples(self, samples: int) -> None:
        if self.scene.render.engine == "CYCLES":
            cycles = self.scene.cycles
            self._still(cycles, "samples")
            self.put(cycles, "samples", samples)
            self.put(cycles, "time_limit", 0.0)
            if hasattr(cycles, "use_sample_subset"):
                self.put(cycles, "use_sample_subset", False)
            for layer in self.scene.view_layers:
                self.put(layer, "samples", 0)  # the scene's
        elif self.scene.render.engine.startswith("BLENDER_EEVEE"):
            self._still(self.scene.eevee, "taa_render_samples")
            self.put(self.scene.eevee, "taa_render_samples", samples)
        else:
            raise ValueError(f"{self.scene.render.engine} has no number of samples")

    def _bound_samples(self, most: int | None) -> None:
        """At most so many, in all layers."""
        if most is None or self.scene.render.engine != "CYCLES":
            return
        for owner in (self.scene.cycles, *self.scene.view_layers):
            if owner.samples > most:
                self.put(owner, "samples", most)

    def _stop_early(self, part: int, whole: int) -> None:
        """Only this share of the samples, from the beginning of the sequence that all of them have."""
        cycles = self.scene.cycles
        if self.scene.render.engine != "CYCLES":
            raise ValueError("only Cycles can stop early")
        if cycles.use_sample_subset or any(
            layer.samples not in (0, cycles.samples) for layer in self.used_layers()
        ):
            raise ValueError(
                "a scene with a subset of its samples, or layers of different samples, cannot stop early"
            )
        self.put(cycles, "samples", cycles.samples)  # an animation of it is noticed
        self.put(cycles, "use_sample_subset", True)
        self.put(cycles, "sample_offset", 0)
        self.put(cycles, "sample_subset_length", max(1, cycles.samples * part // whole))

    def _seed(self, seed: int) -> None:
        self._still(self.scene.cycles, "seed")
        self.put(self.scene.cycles, "use_animated_seed", False)
        self.put(self.scene.cycles, "seed", seed)

    def _denoise(self, denoise: bool) -> None:
        self._still(self.scene.cycles, "use_denoising")
        self.put(self.scene.cycles, "use_denoising", denoise)
        for layer in self.scene.view_layers if denoise else ():
            self.put(layer.cycles, "use_denoising", True)

    def _passes(self, passes: list[str]) -> None:
        for layer in self.used_layers():
            for name in passes:
                if not hasattr(layer, f"use_pass_{name}") or self._lacks(name):
                    raise ValueError(f"{self.scene.render.engine} has no pass {name}")
                self.put(layer, f"use_pass_{name}", True)

    def _lacks(self, name: str) -> bool:
        """Whether the engine leaves out this pass without a word."""
        engine = self.scene.render.engine
        if engine == "CYCLES":
            return name == "shadow"
        return name not in (EEVEE_PASSES if engine.startswith("BLENDER_EEVEE") else ("z",))

    def _keep_passes(self, task: dict[str, Any]) -> None:
        """Lets Cycles keep what a denoiser gets; the noisy image itself is there whenever it denoises."""
        denoises = self.scene.render.engine == "CYCLES" and self.scene.cycles.use_denoising
        if task["is_denoised_later"]:
            if any(changed_later(self.scene)):
                raise ValueError("a still whose compositor or Freestyle changes it cannot be split")
            if any(sees_region()):
                raise ValueError("a still that may see which part of it is rendered cannot be split")
            if len(self.used_layers()) > 1:
                raise ValueError("a still of several view layers cannot be split; name one as view_layer")
            self.put(self.scene.cycles, "use_denoising", False)
        elif not (task["has_proof"] and denoises):
            return
        for layer in self.used_layers():
            self.put(layer.cycles, "denoising_store_passes", True)

    def _format(self, name: str, depth: int | None) -> None:
        image = self.scene.render.image_settings
        own_depth, colours = image.color_depth, image.color_mode
        # A change of the format changes these, so they are given back after it.
        for own in ("color_depth", "color_mode"):
            self._own.append((image, own, getattr(image, own)))
        if hasattr(image, "media_type"):
            self.put(image, "media_type", "MULTI_LAYER_IMAGE" if name == "OPEN_EXR_MULTILAYER" else "IMAGE")
        self.put(image, "file_format", name)
        allowed = DEPTHS[name]
        wanted = own_depth if depth is None else str(depth)
        if depth is None and wanted not in allowed:
            wanted = allowed[0 if name == "PNG" else -1]
        self.put(image, "color_depth", wanted)
        if name == "PNG":
            self.put(image, "compression", 0)  # the file is decoded and written again
        else:
            self.put(image, "exr_codec", "ZIP")  # lossless, for the same reason
        if name != "OPEN_EXR_MULTILAYER":
            self.put(image, "color_mode", colours if colours in ("RGB", "RGBA") or name == "PNG" else "RGB")

    def _still(self, owner: Any, start: str) -> None:
        """Turns off animations and drivers of the scene's settings whose name begins so."""
        path = f"{owner.path_from_id()}.{start}"
        for curve in curves(self.scene):
            if curve.data_path.startswith(path):
                self.put(curve, "mute", True)


def curves(scene: Any) -> Iterator[Any]:
    """Everything that animates the scene's own settings, but for NLA strips."""
    data = scene.animation_data
    if data is None:
        return
    yield from data.drivers
    if data.action is not None:
        yield from data.action.fcurves
