"""The scene check before a claim: the file's header, its Blender version, and Blender's inspection."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import structlog

from veriframe.causes import cause_of
from veriframe.errors import Code, HostUnavailable, JobRejected
from veriframe.model.attempt.attempt import Attempt
from veriframe.model.bundle.chunks import check_split
from veriframe.model.bundle.inspected import InspectedAsset, settings_of
from veriframe.model.bundle.job_file import Bundle
from veriframe.model.quantities import format_size
from veriframe.model.rendering.checks import check_version, judge, read_header
from veriframe.model.rendering.overrides import overridden
from veriframe.model.rendering.scene import BlenderVersion, SceneHeader, SceneLimits
from veriframe.ports.renderer import Renderer
from veriframe.threads import run_uninterrupted
from veriframe.worker.context import WorkerContext
from veriframe.worker.job_run import JobRun
from veriframe.worker.shared.assets import Asset

log = structlog.get_logger()


async def inspected(attempt: Attempt, asset: Asset, run: JobRun) -> Attempt:
    """Returns the attempt with its task; examines the asset if no job has before, and leaves it opened.

    Raises `JobRejected`, `HostUnavailable`.
    """
    if attempt.task is not None:
        return attempt
    scenes = run.context.scenes
    found = scenes.known(asset.cid)
    if found is None:
        found = await scenes.inspecting.run(asset.cid, lambda: _inspect(asset, run))
        scenes.remember(asset.cid, found)
    job, _ = await run.read(attempt, max_age_seconds=math.inf)
    task = found.task(job)
    return replace(attempt, task=task, settings=settings_of(found.inspection, task) if found.bundle else {})


async def _inspect(asset: Asset, run: JobRun) -> InspectedAsset:
    context = run.context
    if asset.bundle is not None:
        await _check_bundle(asset.bundle, context)
    header = await header_of(asset.scene, context.renderer, context.scene_limits)
    session = await run.open_session(asset)
    inspection = await session.inspect()
    if asset.bundle is not None:
        # A bundle names its output; that of its scene is not used.
        inspection = replace(overridden(inspection, asset.bundle.overrides), output_is_movie=False)
        check_split(asset.bundle, inspection)
    parts = asset.bundle.split.tiles if asset.bundle is not None and asset.bundle.split is not None else 1
    pixels = inspection.width * inspection.height // parts
    verdict = judge(header, inspection, context.scene_limits, pixels=pixels)
    log.info(
        "scene_inspected",
        engine=inspection.engine,
        width=inspection.width,
        height=inspection.height,
        samples=inspection.samples,
        warnings=list(verdict.warnings),
    )
    return InspectedAsset(inspection=verdict.inspection, bundle=asset.bundle)


async def _check_bundle(bundle: Bundle, context: WorkerContext) -> None:
    """Raises `JobRejected` (VERSION, OOM) for a bundle that this worker cannot render as it asks."""
    version = (await context.renderer.facts()).version
    if bundle.blender != str(version):
        raise JobRejected(
            Code.VERSION,
            f"The bundle asks for Blender {bundle.blender}, and this worker has Blender {version}. "
            "Pack it for that one, or set BLENDER_PATH to the other.",
        )
    most_bytes = context.policy.limits.memory_bytes
    if bundle.memory_bytes is not None and bundle.memory_bytes > most_bytes:
        raise JobRejected(
            Code.OOM,
            f"The bundle may need {format_size(bundle.memory_bytes)} of memory (memory_bytes in job.json), "
            f"and this worker gives a render {format_size(most_bytes)}. Raise memory_bytes of the worker.",
        )


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
