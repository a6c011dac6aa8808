"""Builds the packing of scenes: Blender in a sandbox, as for a render."""

from __future__ import annotations

from veriframe.adapters.blender import runtimes
from veriframe.adapters.blender.packer import BlenderPacker
from veriframe.creator.packing.packing import Packing
from veriframe.settings import Settings
from veriframe.wiring.limits import render_limits, scene_limits
from veriframe.wiring.renderers import build_for_one


async def build_packing(settings: Settings) -> Packing:
    """Build it. Raises `SettingsError` without Blender or a sandbox."""
    renderer = await build_for_one(settings)
    packer = BlenderPacker(runtimes.select(settings.blender_path), renderer.sandbox, render_limits(settings))
    return Packing(packer=packer, renderer=renderer, limits=scene_limits(settings))
