"""A real renderer with folders, for the tests of the renderer."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration import renderer_scenes

from veriframe.adapters.blender import runtimes
from veriframe.adapters.blender.renderer import BlenderRenderer
from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox
from veriframe.errors import RenderFailed
from veriframe.model.rendering.frames import (
    Rendering,
    RenderTask,
    ValidatedFrame,
)


class Studio:
    """A renderer with folders for one test."""

    def __init__(self, folder: Path) -> None:
        self.renderer = BlenderRenderer(runtimes.BpyWheel(), BubblewrapSandbox())
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

    async def render(self, scene: Path, task: RenderTask) -> tuple[Rendering, Path]:
        """Renders into a new folder."""
        out = self.new_folder()
        return await self.renderer.render(scene, task, out, lambda progress: None), out

    async def frame(self, scene: Path, task: RenderTask | None = None) -> tuple[ValidatedFrame, Path]:
        """Renders and validates one frame; returns it and its clean file."""
        task = task or RenderTask()
        rendering, out = await self.render(scene, task)
        clean = self.new_folder()
        (frame,) = await self.renderer.validate(scene, task, rendering, out, clean)
        return frame, clean / frame.file

    async def failure(self, scene: Path, task: RenderTask) -> RenderFailed:
        """Returns the error of a render that must fail."""
        with pytest.raises(RenderFailed) as failed:
            await self.render(scene, task)
        return failed.value


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """Returns a new studio."""
    return Studio(tmp_path)
