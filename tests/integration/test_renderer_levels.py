"""Pictures by a real Blender behind walls that are not the strongest, or that no control group helps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.renderer_studio import Studio
from tests.integration.sandbox_runs import reachable

from veriframe.adapters.blender import runtimes
from veriframe.adapters.blender.renderer import BlenderRenderer
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
    """One for each, with folders that every user may pass through."""
    studio = Studio(reachable(tmp_path))
    studio.renderer = BlenderRenderer(runtimes.BpyWheel(), BUILDERS[request.param]())
    return studio


@pytest.mark.parametrize("image_format", list(ImageFormat))
async def test_a_scene_is_inspected_rendered_and_proved(studio: Studio, image_format: ImageFormat) -> None:
    """fault_44: with no changes of files' rights and times, and its own threads alone to arrange."""
    scene = studio.scene()
    assert (await studio.renderer.inspect(scene)).camera == "Camera"
    frame, file = await studio.frame(scene, RenderTask(format=image_format))
    assert (frame.width, frame.height) == (64, 36)
    assert file.stat().st_size == frame.size_bytes
