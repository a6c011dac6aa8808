"""The scene check before a claim: the file's header, its Blender version, and Blender's inspection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import structlog

from veriframe.causes import cause_of
from veriframe.errors import HostUnavailable
from veriframe.model.attempt.attempt import Attempt
from veriframe.model.rendering.checks import check_version, judge, read_header
from veriframe.model.rendering.frames import RenderTask
from veriframe.model.rendering.scene import BlenderVersion, SceneHeader, SceneLimits
from veriframe.ports.renderer import Renderer
from veriframe.threads import run_uninterrupted
from veriframe.worker.job_run import JobRun

log = structlog.get_logger()


async def inspected(attempt: Attempt, scene: Path, run: JobRun) -> Attempt:
    """Returns the attempt with its task; examines the scene if no job has before, and leaves it opened.

    Raises `JobRejected`, `HostUnavailable`.
    """
    if attempt.task is not None:
        return attempt
    scenes, asset_cid = run.context.scenes, attempt.asset_cid
    task = scenes.task(asset_cid)
    if task is None:
        task = await scenes.inspecting.run(asset_cid, lambda: _inspect(scene, run))
        scenes.remember(asset_cid, task)
    return replace(attempt, task=task)


async def _inspect(scene: Path, run: JobRun) -> RenderTask:
    context = run.context
    header = await header_of(scene, context.renderer, context.scene_limits)
    session = await run.open_session(scene)
    verdict = judge(header, await session.inspect(), context.scene_limits)
    inspection = verdict.inspection
    log.info(
        "scene_inspected",
        engine=inspection.engine,
        width=inspection.width,
        height=inspection.height,
        samples=inspection.samples,
        warnings=list(verdict.warnings),
    )
    # A bare `.blend` is rendered as frame 1, whatever range the scene itself has.
    return RenderTask(size=(inspection.width, inspection.height))


async def header_of(scene: Path, renderer: Renderer, limits: SceneLimits) -> SceneHeader:
    """Reads the facts that need no Blender. Raises `JobRejected`, `HostUnavailable` if it cannot be read."""
    fits = partial(check_version, renderer=(await renderer.facts()).version)
    return await run_uninterrupted(_read_header, scene, limits, fits)


def _read_header(scene: Path, limits: SceneLimits, fits: Callable[[BlenderVersion], None]) -> SceneHeader:
    try:
        stream = scene.open("rb")
    except OSError as error:
        raise HostUnavailable(
            f"The fetched scene {scene} cannot be opened: {cause_of(error)}. "
            "If it is missing, it is fetched anew."
        ) from error
    with stream:
        return read_header(stream, limits, fits)
