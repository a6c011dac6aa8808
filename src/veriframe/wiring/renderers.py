"""Blender in the strongest sandbox of this machine, within the settings' limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from veriframe.adapters.blender import runtimes
from veriframe.adapters.blender.renderer import BlenderRenderer
from veriframe.adapters.blender.sandbox import selection as choose
from veriframe.adapters.blender.sandbox.run import Level
from veriframe.settings import Settings
from veriframe.wiring.limits import render_limits

if TYPE_CHECKING:
    pass


async def build_renderer(settings: Settings) -> BlenderRenderer:
    """Blender behind the strongest walls that prove themselves here, at least those of the settings.

    Raises `SettingsError` with the remedy where there is no Blender or no such walls.
    """
    runtime = runtimes.select(settings.blender_path)
    needed = sorted(set(runtime.visible().values()))
    sandbox = await choose.build(Level[settings.sandbox.upper()], needed=needed)
    return BlenderRenderer(runtime, sandbox, limits=render_limits(settings))
