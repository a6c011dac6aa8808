"""What a creator asks of a scene becomes a bundle, or is refused with the remedy."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.renderer import INSPECTION

from veriframe.errors import Code, JobRejected
from veriframe.model.bundle.job_file import Split, parse_job_file, write_job_file
from veriframe.model.bundle.options import BundleOptions, bundle_of, range_warning

SPLIT = Split(columns=2, rows=2)


def test_without_frames_the_scenes_own_range_is_rendered() -> None:
    """As Blender's Render Animation does."""
    inspection = replace(INSPECTION, frame_start=10, frame_end=12)
    assert bundle_of(BundleOptions(), "a.blend", "4.5", inspection).frames == (10, 11, 12)


@pytest.mark.parametrize("frames", [None, (3, 4)])
def test_tiles_split_one_frame(frames: tuple[int, ...] | None) -> None:
    """fault_209: told before it is posted; else no one could render, show or cancel the order."""
    asked = BundleOptions(frames=frames, split=SPLIT)
    with pytest.raises(JobRejected, match="--frames") as refused:
        bundle_of(asked, "a.blend", "4.5", INSPECTION)
    assert refused.value.code is Code.FRAME_RANGE
    one = bundle_of(replace(asked, frames=(7,)), "a.blend", "4.5", INSPECTION)
    assert parse_job_file(write_job_file(one)) == one


def test_frames_outside_the_scenes_range_are_told() -> None:
    """fault_209: they are rendered, but hardly meant."""
    inspection = replace(INSPECTION, frame_start=10, frame_end=21)
    assert range_warning((10, 21), inspection) == ""
    assert "300-302" in range_warning((20, 300, 301, 302), inspection)
