"""The scene check before a claim: the file's header, its Blender version, and Blender's inspection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import structlog

from veriframe.errors import HostUnavailable
from veriframe.model.attempt.attempt import Attempt
from veriframe.model.rendering.checks import check_version, judge, read_header
from veriframe.model.rendering.scene import BlenderVersion, SceneHeader, SceneLimits, SceneVerdict
from veriframe.ports.renderer import Renderer
from veriframe.worker.context import WorkerContext

log = structlog.get_logger()


async def examine(scene: Path, renderer: Renderer, limits: SceneLimits) -> SceneVerdict:
    """Returns what a scene is. Raises `JobRejected` with code and reason if it cannot be rendered here."""
    fits = partial(check_version, renderer=(await renderer.facts()).version)
    header = await asyncio.to_thread(_read_header, scene, limits, fits)
    return judge(header, await renderer.inspect(scene), limits)


def has_size(attempt: Attempt) -> bool:
    """Whether the attempt has the inspected size. Journals of older versions lack it."""
    return attempt.width > 0 and attempt.height > 0


async def inspected(attempt: Attempt, scene: Path, context: WorkerContext) -> Attempt:
    """Returns the attempt with the size of its picture; examines the scene if that is missing.

    Raises `JobRejected`, `HostUnavailable`.
    """
    if has_size(attempt):
        return attempt
    verdict = await examine(scene, context.renderer, context.scene_limits)
    inspection = verdict.inspection
    log.info(
        "scene_inspected",
        engine=inspection.engine,
        width=inspection.width,
        height=inspection.height,
        samples=inspection.samples,
        warnings=list(verdict.warnings),
    )
    return replace(attempt, width=inspection.width, height=inspection.height)


def _read_header(scene: Path, limits: SceneLimits, fits: Callable[[BlenderVersion], None]) -> SceneHeader:
    try:
        stream = scene.open("rb")
    except OSError as error:
        raise HostUnavailable(
            f"The fetched scene {scene} cannot be opened: {error.strerror}. "
            "If it is missing, it is fetched anew."
        ) from error
    with stream:
        return read_header(stream, limits, fits)
