"""Whether a manifest has the settings that an asset is rendered with. The rest is tested with orders."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.fakes.renderer import INSPECTION
from tests.unit.model.bundle.test_manifest import MANIFEST

from veriframe.model.bundle.inspected import settings_of
from veriframe.model.bundle.manifest import named_layers
from veriframe.model.bundle.misfit import settings_misfit
from veriframe.model.rendering.frames import RenderTask

TASK = RenderTask(size=(INSPECTION.width, INSPECTION.height))
SETTINGS: dict[str, Any] = {
    **settings_of(INSPECTION, TASK),
    "view_layers": named_layers(list(INSPECTION.view_layers)),
    "color_depth": 8,
}
RIGHT = replace(MANIFEST, blender=INSPECTION.blender, settings=SETTINGS)


def test_the_settings_of_the_scene_fit() -> None:
    """Its depth is believed if nobody asked for one, as far as its frames have it."""
    assert settings_misfit(RIGHT, INSPECTION, TASK) == ""
    deep = replace(RIGHT, settings={**SETTINGS, "color_depth": 16})
    assert settings_misfit(deep, INSPECTION, TASK) == "names another color_depth than its frames have"


@pytest.mark.parametrize("value", [[8], {"8": 8}, "8", None, [[[]]]])
@pytest.mark.parametrize("name", [*SETTINGS, "unknown"])
def test_a_setting_may_be_any_json(name: str, value: object) -> None:
    """fault_357: a list cannot be looked up in a set; whatever it is, the manifest is another one's."""
    if SETTINGS.get(name) == value and name in SETTINGS:
        return
    settings: dict[str, Any] = {**SETTINGS, name: value}
    wrong = replace(RIGHT, settings=settings)
    assert settings_misfit(wrong, INSPECTION, TASK).startswith(f"names another {name} than ")


def test_another_release_does_not_fit() -> None:
    """Another patch of the same line does."""
    major, minor, *_ = INSPECTION.blender.split(".")
    assert settings_misfit(replace(RIGHT, blender=f"{major}.{minor}.99 LTS"), INSPECTION, TASK) == ""
    assert "release" in settings_misfit(replace(RIGHT, blender=f"{major}.99.0"), INSPECTION, TASK)
