"""Builds the renderer: Blender in the strongest sandbox of this machine, with the configured limits."""

from __future__ import annotations

from veriframe.adapters.blender import runtimes
from veriframe.adapters.blender.renderer import BlenderRenderer
from veriframe.adapters.blender.sandbox import selection
from veriframe.adapters.blender.sandbox.run import Level
from veriframe.adapters.blender.spares import SpareLimits
from veriframe.settings import Settings
from veriframe.wiring.limits import render_limits


async def build_renderer(settings: Settings) -> BlenderRenderer:
    """Build Blender in the strongest sandbox that passes its self-test, at least the configured level.

    It starts Blenders ahead until it is closed. Raises `SettingsError` with the remedy if Blender or such a
    sandbox is missing.
    """
    runtime = runtimes.select(settings.blender_path)
    needed = sorted(set(runtime.visible().values()))
    sandbox = await selection.build(Level[settings.sandbox.upper()], needed=needed)
    renderer = BlenderRenderer(
        runtime,
        sandbox,
        limits=render_limits(settings),
        capacity=settings.slots,
        spares=SpareLimits(most=settings.spares, memory_bytes=settings.spare_bytes),
    )
    renderer.own_class.file = settings.home / "machine-class.json"
    renderer.start_ahead()
    return renderer


async def build_for_one(settings: Settings) -> BlenderRenderer:
    """Build a renderer that starts nothing ahead, for a command about a single scene."""
    return await build_renderer(settings.model_copy(update={"spares": 0}))
