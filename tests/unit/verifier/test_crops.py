"""What is rendered here is never the worker's fault."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.renderer import INSPECTION, FakeRenderer

from veriframe.errors import Code, RenderFailed, ValidationFailed
from veriframe.model.bundle.chunks import whole_region
from veriframe.model.rendering.frames import RenderTask
from veriframe.verifier.crops import Crops, Sessions


class Unreadable(FakeRenderer):
    """Its decoder ends early."""

    async def cut(self, cuts: object) -> list[object]:  # type: ignore[override]
        """Fails."""
        raise ValidationFailed(Code.NOT_IMAGE, "The pictures cannot be decoded.")


class Asset:
    """A scene that a fake renders."""

    def __init__(self, folder: Path) -> None:
        self.scene, self.folder = folder / "scene.blend", None
        self.scene.write_bytes(b"BLENDER")


async def test_a_crop_that_cannot_be_decoded_is_no_bad_result(tmp_path: Path) -> None:
    """fault_358: this machine failed, so that nothing is known of the worker's picture."""
    size = INSPECTION.width, INSPECTION.height
    async with Sessions(renderer=Unreadable(), asset=Asset(tmp_path)) as sessions:  # type: ignore[arg-type]
        crops = Crops(sessions=sessions, task=RenderTask(size=size), size=size, folder=tmp_path)
        with pytest.raises(RenderFailed, match="what was rendered here cannot be read"):
            await crops.render(1, whole_region(size))
