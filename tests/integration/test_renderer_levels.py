"""Renders by a real Blender at weaker levels, and without a control group."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.renderer_studio import Studio
from tests.integration.sandbox_runs import reachable

from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox
from veriframe.adapters.blender.sandbox.levels.unnamespaced import UnnamespacedSandbox
from veriframe.adapters.blender.sandbox.run import Level, Sandbox
from veriframe.model.rendering.frames import ImageFormat, RenderTask

pytestmark = pytest.mark.slow

BUILDERS: dict[str, Callable[[], Sandbox]] = {
    "strict": lambda: BubblewrapSandbox(use_cgroup=False),
    "landlock": lambda: UnnamespacedSandbox(Level.LANDLOCK, use_cgroup=False),
}


@pytest.fixture(params=BUILDERS)
def studio(request: pytest.FixtureRequest, tmp_path: Path) -> Studio:
    """A studio for each sandbox, with folders that every user may traverse."""
    studio = Studio(reachable(tmp_path))
    studio.sandbox = BUILDERS[request.param]()
    return studio


@pytest.mark.parametrize("image_format", list(ImageFormat))
async def test_a_scene_is_inspected_rendered_and_validated(studio: Studio, image_format: ImageFormat) -> None:
    """fault_44: although changes of files' permissions and times, and of other processes, are denied."""
    scene = studio.scene()
    assert (await studio.inspect(scene)).camera == "Camera"
    frame, file = await studio.frame(scene, RenderTask(format=image_format))
    assert (frame.width, frame.height) == (64, 36)
    assert file.stat().st_size == frame.size_bytes
