"""The gate before rendering, whole: the file by our own eyes, its version, Blender's inspection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

from veriframe.model.checks import check_version, judge, read_header
from veriframe.model.scene import BlenderVersion, SceneHeader, SceneLimits, SceneVerdict
from veriframe.ports import Renderer


async def examine(scene: Path, renderer: Renderer, limits: SceneLimits) -> SceneVerdict:
    """What a scene is, if it can be rendered here. Raises `JobRejected` with code and sentence otherwise."""
    fits = partial(check_version, renderer=(await renderer.facts()).version)
    header = await asyncio.to_thread(_read_header, scene, limits, fits)
    return judge(header, await renderer.inspect(scene), limits)


def _read_header(scene: Path, limits: SceneLimits, fits: Callable[[BlenderVersion], None]) -> SceneHeader:
    with scene.open("rb") as stream:
        return read_header(stream, limits, fits)
