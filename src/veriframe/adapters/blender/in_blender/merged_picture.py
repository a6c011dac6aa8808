"""Runs inside Blender: shows the merged tiles of a still, denoised once, in place of a render."""

# ruff: noqa: ANN401 - Blender's data have no static types

from __future__ import annotations

from typing import Any

import bpy
from differences import changed_later  # type: ignore[import-not-found]

GUIDES = {"RGB": (), "RGB_ALBEDO": ("Albedo",), "RGB_ALBEDO_NORMAL": ("Albedo", "Normal")}
"""What a denoiser gets besides the picture, by Cycles' setting."""


def show(scene: Any, path: str) -> None:
    """Gives the scene a compositor that reads the picture and denoises it as the scene's Cycles would.

    The compositor needs no render, so that nothing is rendered. Raises `ValueError` if the scene's own
    compositor, or Freestyle, would change the picture.
    """
    if changed := ", ".join(changed_later(scene)):
        raise ValueError(f"{changed} would change the denoised picture")
    scene.use_nodes = True
    scene.render.use_compositing, scene.render.use_sequencer = True, False
    tree = scene.node_tree
    tree.nodes.clear()
    source, end = tree.nodes.new("CompositorNodeImage"), tree.nodes.new("CompositorNodeComposite")
    source.image = bpy.data.images.load(path)
    layers = [layer for layer in scene.view_layers if layer.use and layer.cycles.use_denoising]
    if not (scene.cycles.use_denoising and layers):
        tree.links.new(source.outputs["Combined"], end.inputs["Image"])
        return
    denoise, cycles = tree.nodes.new("CompositorNodeDenoise"), scene.cycles
    denoise.prefilter, denoise.quality = cycles.denoising_prefilter, cycles.denoising_quality
    tree.links.new(source.outputs["Combined"], denoise.inputs["Image"])
    for guide in GUIDES[cycles.denoising_input_passes]:
        tree.links.new(source.outputs[f"Denoising {guide}"], denoise.inputs[guide])
    tree.links.new(denoise.outputs["Image"], end.inputs["Image"])
