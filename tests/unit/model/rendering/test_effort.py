"""The least time of a frame, and the warning of one that hardly fits its limit."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.model.rendering.test_checks import GOOD, HEADER

from veriframe.model.rendering.effort import (
    SAMPLES_PER_SECOND,
    least_seconds,
    most_samples,
    with_effort,
)
from veriframe.model.rendering.scene import SceneVerdict

PRODUCTION = replace(GOOD, engine="CYCLES", width=3840, height=2160, samples=4096)
LIMIT_SECONDS = 300.0


def warnings_of(**changes: object) -> tuple[str, ...]:
    """The warnings about the production scene, with changes, on two processors."""
    inspection = replace(PRODUCTION, **changes)  # type: ignore[arg-type]
    verdict = SceneVerdict(header=HEADER, inspection=inspection, warnings=("another",))
    return with_effort(verdict, LIMIT_SECONDS, 2).warnings


def test_a_production_scene_is_warned_of() -> None:
    """fault_123: 34 billion samples were fit for a limit of five minutes; the figures and the remedy."""
    first, effort = warnings_of()
    assert first == "another"
    for figure in ("34 billion", "3840 × 2160", "4096", "1h10m47s", "2 processors", "5m", "frame_seconds"):
        assert figure in effort


@pytest.mark.parametrize(
    "changes", [{"samples": 64}, {"width": 64, "height": 36}, {"engine": "BLENDER_EEVEE_NEXT"}]
)
def test_what_may_fit_is_not(changes: dict[str, object]) -> None:
    """Few samples, few pixels, or an engine that takes no samples of paths."""
    assert warnings_of(**changes) == ("another",)


def test_the_bound_is_exact() -> None:
    """Pixels by samples, shared by all processors."""
    inspection = replace(GOOD, engine="CYCLES", width=1000, height=1000, samples=8)
    assert least_seconds(inspection, 1) == 8_000_000 / SAMPLES_PER_SECOND
    assert least_seconds(inspection, 2) == 4_000_000 / SAMPLES_PER_SECOND
    limit = least_seconds(inspection, 2)
    verdict = SceneVerdict(header=HEADER, inspection=inspection, warnings=())
    assert with_effort(verdict, limit, 2) == verdict
    assert len(with_effort(verdict, limit - 0.01, 2).warnings) == 1


def test_a_hopeless_scene_is_far_beyond_the_limit() -> None:
    """fault_199: the production scene may still be tried on two processors, an eightfold one is not."""
    most = most_samples(LIMIT_SECONDS, 2)
    assert most == 4 * 2 * 300 * SAMPLES_PER_SECOND
    assert 1920 * 1080 * 4096 < most < 7680 * 4320 * 4096
