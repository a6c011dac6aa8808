"""Settings of a job against what the inspection found."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.renderer import INSPECTION

from veriframe.errors import Code, JobRejected
from veriframe.model.rendering.overrides import PASSES, Overrides, overridden, passes_of

SCENE = replace(INSPECTION, cameras=("Camera", "Second"), all_view_layers=("ViewLayer", "Other"))


def test_none_is_the_scenes_own() -> None:
    """Nothing changes."""
    assert overridden(SCENE, Overrides()) == SCENE


def test_what_is_asked_for_replaces_what_the_scene_has() -> None:
    """As it will be rendered."""
    asked = Overrides(
        camera="Second", view_layer="Other", engine="BLENDER_EEVEE_NEXT", resolution=(90, 40), samples=3
    )
    expected = replace(
        SCENE,
        camera="Second",
        view_layers=("Other",),
        engine="BLENDER_EEVEE_NEXT",
        width=90,
        height=40,
        samples=3,
    )
    assert overridden(SCENE, asked) == expected


@pytest.mark.parametrize(
    "asked",
    [
        Overrides(camera="Gone"),
        Overrides(view_layer="Gone"),
        Overrides(engine="BLENDER_EEVEE_NEXT", seed=1),
        Overrides(engine="BLENDER_WORKBENCH", denoise=False),
        Overrides(engine="BLENDER_WORKBENCH", samples=3),
        Overrides(passes=("shadow",)),
        Overrides(engine="BLENDER_EEVEE_NEXT", passes=("z", "uv")),
        Overrides(engine="BLENDER_WORKBENCH", passes=("mist",)),
    ],
)
def test_what_the_scene_cannot_have_is_refused(asked: Overrides) -> None:
    """fault_109: before a claim."""
    with pytest.raises(JobRejected) as refused:
        overridden(SCENE, asked)
    assert refused.value.code == Code.OVERRIDE


@pytest.mark.parametrize("engine", ["CYCLES", "BLENDER_EEVEE", "BLENDER_EEVEE_NEXT", "BLENDER_WORKBENCH"])
def test_passes_of_an_engine_have_known_names(engine: str) -> None:
    """And all have depth."""
    assert "z" in passes_of(engine)
    assert set(passes_of(engine)) < set(PASSES)
