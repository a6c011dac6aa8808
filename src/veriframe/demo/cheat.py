"""A worker who cheats, for the demo: it stops every render after an eighth of the samples.

It commits to the pixels that it has, says in its manifest what was asked for, and denoises, so that hardly
anyone would see it. All else of it is the honest worker's program.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from veriframe.model.rendering.frames import Frame, RenderTask
from veriframe.ports.renderer import Kernel, Renderer, RenderSession

SHARE = (1, 8)
"""The share of the samples that it renders."""


def cheating(honest: Renderer) -> Renderer:
    """A renderer that is the honest one but for its samples."""
    return cast("Renderer", _CheatingRenderer(honest))


class _CheatingRenderer:
    def __init__(self, honest: Renderer) -> None:
        self._honest = honest

    @asynccontextmanager
    async def open(
        self, scene: Path, folder: Path | None = None, kernel: Kernel = Kernel.BEST
    ) -> AsyncIterator[RenderSession]:
        async with self._honest.open(scene, folder, kernel) as session:
            yield cast("RenderSession", _CheatingSession(session))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the honest one has
        return getattr(self._honest, name)


class _CheatingSession:
    def __init__(self, honest: RenderSession) -> None:
        self._honest = honest

    def frames(self, task: RenderTask, out: Path, **more: Any) -> AsyncIterator[Frame]:  # noqa: ANN401
        return self._honest.frames(replace(task, stop_early=SHARE), out, **more)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the honest one has
        return getattr(self._honest, name)
