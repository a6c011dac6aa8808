"""The scene check before a claim: the file's header, its Blender version, and Blender's inspection."""

from __future__ import annotations

import math
from dataclasses import replace

import structlog

from veriframe.assets import Asset, check_bundle, header_of, judge_asset
from veriframe.errors import Code, JobRejected
from veriframe.model.attempt.attempt import Attempt
from veriframe.model.bundle.inspected import InspectedAsset, settings_of
from veriframe.model.bundle.job_file import Bundle
from veriframe.model.text import some_names
from veriframe.worker.job_run import JobRun

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


def _check_class(bundle: Bundle, own: str) -> None:
    """Raises `JobRejected` (CLASS)."""
    if bundle.classes and own not in bundle.classes:
        raise JobRejected(
            Code.CLASS,
            f"The bundle accepts the classes {some_names(bundle.classes)}, and this machine's is {own}.",
        )


async def _inspect(asset: Asset, run: JobRun) -> InspectedAsset:
    context = run.context
    if asset.bundle is not None:
        await check_bundle(asset.bundle, context.renderer, context.policy.limits.memory_bytes)
        _check_class(asset.bundle, await context.renderer.machine_class())
    header = await header_of(asset.scene, context.renderer, context.scene_limits)
    session = await run.open_session(asset)
    verdict = judge_asset(asset, header, await session.inspect(), context.scene_limits)
    inspection = verdict.inspection
    log.info(
        "scene_inspected",
        engine=inspection.engine,
        width=inspection.width,
        height=inspection.height,
        samples=inspection.samples,
        warnings=list(verdict.warnings),
    )
    return InspectedAsset(inspection=inspection, bundle=asset.bundle)
