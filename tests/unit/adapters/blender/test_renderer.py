"""The identifiers of Blender's engines."""

from __future__ import annotations

import pytest

from veriframe.adapters.blender.renderer import engines_of
from veriframe.model.rendering.scene import BlenderVersion


@pytest.mark.parametrize(
    ("version", "eevee"),
    [
        (BlenderVersion(3, 4), "BLENDER_EEVEE"),
        (BlenderVersion(4, 1), "BLENDER_EEVEE"),
        (BlenderVersion(4, 2), "BLENDER_EEVEE_NEXT"),
        (BlenderVersion(4, 5), "BLENDER_EEVEE_NEXT"),
        (BlenderVersion(5, 0), "BLENDER_EEVEE"),
    ],
)
def test_eevee_has_the_name_of_its_release(version: BlenderVersion, eevee: str) -> None:
    """EEVEE was called NEXT from 4.2 to 4.5."""
    assert engines_of(version) == ("CYCLES", eevee, "BLENDER_WORKBENCH")
