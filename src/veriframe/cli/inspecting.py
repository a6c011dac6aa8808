"""Examines a scene in the sandbox, as a worker does before a claim.

What it needs is imported when it is used: listing jobs, for example, does not.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from veriframe.cli import context
from veriframe.model.bundle.job_file import Bundle
from veriframe.model.rendering.effort import with_effort
from veriframe.model.rendering.scene import SceneHeader, SceneInspection, SceneVerdict
from veriframe.ports.renderer import Renderer, RenderSession
from veriframe.wiring import limits


async def renderer() -> Renderer:
    """Build a renderer for a few scenes. Raises `SettingsError` without Blender or a sandbox."""
    from veriframe.wiring import renderers  # noqa: PLC0415

    return await renderers.build_for_one(context.current().settings)


async def judged(scene: Path, header: SceneHeader, blender: Renderer) -> SceneVerdict:
    """Open a scene whose header is known, and judge it. Raises `JobRejected`, `HostUnavailable`."""
    from veriframe.model.rendering.checks import check_version  # noqa: PLC0415

    check_version(header.version, (await blender.facts()).version)
    async with blender.open(scene) as session:
        return _verdict(header, await session.inspect())


async def judged_bundle(folder: Path, bundle: Bundle, blender: Renderer) -> SceneVerdict:
    """Open a bundle as a worker does, and judge it as `bundle` has it rendered.

    Raises `JobRejected`, `HostUnavailable`.
    """
    from veriframe.assets import Asset, check_bundle, header_of, judge_asset  # noqa: PLC0415
    from veriframe.model.bundle.options import bundle_warnings, class_warning  # noqa: PLC0415

    # How much memory a render may take is for each worker to say.
    await check_bundle(bundle, blender, bundle.memory_bytes or 0)
    asset = Asset(cid="", scene=folder / bundle.scene, folder=folder, bundle=bundle)
    scene_limits = limits.scene_limits(context.current().settings)
    header = await header_of(asset.scene, blender, scene_limits)
    async with blender.open(asset.scene, folder) as session:
        own = await session.inspect()
    verdict = judge_asset(asset, header, own, scene_limits)
    other = class_warning(bundle, await blender.machine_class()) if bundle.classes else ""
    warnings = (*verdict.warnings, *bundle_warnings(bundle, own), *((other,) if other else ()))
    return replace(verdict, warnings=warnings)


@asynccontextmanager
async def examined(scene: Path) -> AsyncIterator[tuple[Renderer, RenderSession, SceneVerdict]]:
    """Open a scene, judge it and leave it open. Raises `JobRejected`, `SettingsError`, `HostUnavailable`."""
    from veriframe.assets import header_of  # noqa: PLC0415

    blender, scene_limits = await renderer(), limits.scene_limits(context.current().settings)
    header = await header_of(scene, blender, scene_limits)
    async with blender.open(scene) as session:
        yield blender, session, _verdict(header, await session.inspect())


def _verdict(header: SceneHeader, inspection: SceneInspection) -> SceneVerdict:
    from veriframe.model.rendering.checks import judge, with_still  # noqa: PLC0415

    settings = context.current().settings
    verdict = with_still(judge(header, inspection, limits.scene_limits(settings)))
    return with_effort(verdict, settings.frame_seconds, os.cpu_count() or 1)
