"""A real renderer with folders, for the tests of the renderer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.integration import renderer_scenes

from veriframe.adapters.blender import runtimes
from veriframe.adapters.blender.renderer import BlenderRenderer
from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox
from veriframe.adapters.blender.sandbox.run import Sandbox
from veriframe.errors import RenderFailed
from veriframe.model.rendering.frames import Frame, Progress, RenderLimits, RenderTask, ValidatedFrame
from veriframe.model.rendering.scene import SceneInspection


class Studio:
    """A renderer with folders for one test."""

    def __init__(self, folder: Path) -> None:
        self.sandbox: Sandbox = BubblewrapSandbox()
        self.folder = folder
        self._made = 0

    def scene(self, change: str = "") -> Path:
        """Creates a scene file."""
        file = self.new_folder() / "scene.blend"
        file.write_bytes(renderer_scenes.make(change))
        return file

    def new_folder(self) -> Path:
        """Creates an empty folder."""
        self._made += 1
        folder = self.folder / str(self._made)
        folder.mkdir()
        return folder

    def renderer(self, **limits: Any) -> BlenderRenderer:
        """Returns a renderer with other limits."""
        return BlenderRenderer(runtimes.BpyWheel(), self.sandbox, limits=RenderLimits(**limits))

    async def inspect(self, scene: Path) -> SceneInspection:
        """Inspects a scene."""
        async with self.renderer().open(scene) as session:
            return await session.inspect()

    async def render(
        self,
        scene: Path,
        task: RenderTask,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        **limits: Any,
    ) -> tuple[list[Frame], Path]:
        """Renders into a new folder."""
        out = self.new_folder()
        async with self.renderer(**limits).open(scene) as session:
            return [frame async for frame in session.frames(task, out, on_progress=on_progress)], out

    async def frame(self, scene: Path, task: RenderTask | None = None) -> tuple[ValidatedFrame, Path]:
        """Renders and validates one frame; returns it and its clean file."""
        task = task or RenderTask()
        frames, out = await self.render(scene, task)
        (frame,), clean = await self.validate(task, frames, out)
        return frame, clean / frame.file

    async def validate(
        self, task: RenderTask, frames: Sequence[Frame], out: Path
    ) -> tuple[Sequence[ValidatedFrame], Path]:
        """Validates frames into a new folder."""
        clean = self.new_folder()
        return await self.renderer().validate(task, frames, out, clean), clean

    async def failure(self, scene: Path, task: RenderTask, **limits: Any) -> RenderFailed:
        """Returns the error of a render that must fail."""
        with pytest.raises(RenderFailed) as failed:
            await self.render(scene, task, **limits)
        return failed.value


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """Returns a new studio."""
    return Studio(tmp_path)
