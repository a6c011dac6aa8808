"""The gate before rendering, whole: the file by our own eyes, its version, Blender's inspection."""

from __future__ import annotations

import asyncio
from pathlib import Path

from veriframe.model.checks import check_version, judge, read_header
from veriframe.model.scene import SceneHeader, SceneLimits, SceneVerdict
from veriframe.ports import Renderer


async def examine(scene: Path, renderer: Renderer, limits: SceneLimits) -> SceneVerdict:
    """What a scene is, if it can be rendered here. Raises `JobRejected` with code and sentence otherwise."""
    header = await asyncio.to_thread(_read_header, scene, limits)
    check_version(header, (await renderer.facts()).version)
    return judge(header, await renderer.inspect(scene), limits)


def _read_header(scene: Path, limits: SceneLimits) -> SceneHeader:
    with scene.open("rb") as stream:
        return read_header(stream, limits)
