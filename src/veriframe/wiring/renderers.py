"""Builds the renderer: Blender in the strongest sandbox of this machine, with the configured limits."""

from __future__ import annotations

from veriframe.adapters.blender import runtimes
from veriframe.adapters.blender.renderer import BlenderRenderer
from veriframe.adapters.blender.sandbox import selection
from veriframe.adapters.blender.sandbox.run import Level
from veriframe.settings import Settings
from veriframe.wiring.limits import render_limits


async def build_renderer(settings: Settings) -> BlenderRenderer:
    """Build Blender in the strongest sandbox that passes its self-test, at least the configured level.

    Raises `SettingsError` with the remedy if Blender or such a sandbox is missing.
    """
    runtime = runtimes.select(settings.blender_path)
    needed = sorted(set(runtime.visible().values()))
    sandbox = await selection.build(Level[settings.sandbox.upper()], needed=needed)
    return BlenderRenderer(runtime, sandbox, limits=render_limits(settings))
