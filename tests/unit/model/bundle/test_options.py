"""What a creator asks of a scene becomes a bundle, or is refused with the remedy."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.renderer import INSPECTION

from veriframe.errors import SettingsError
from veriframe.model.bundle.job_file import Split, parse_job_file, write_job_file
from veriframe.model.bundle.options import BundleOptions, bundle_of, range_warning, varied_warnings
from veriframe.model.rendering.frames import ImageFormat
from veriframe.model.rendering.overrides import Overrides

SPLIT = Split(columns=2, rows=2)


def test_without_frames_the_scenes_own_range_is_rendered() -> None:
    """As Blender's Render Animation does."""
    inspection = replace(INSPECTION, frame_start=10, frame_end=12)
    assert bundle_of(BundleOptions(), "a.blend", "4.5", inspection).frames == (10, 11, 12)


@pytest.mark.parametrize("frames", [None, (3, 4)])
def test_tiles_split_one_frame(frames: tuple[int, ...] | None) -> None:
    """fault_209: told before it is posted; else no one could render, show or cancel the order."""
    asked = BundleOptions(frames=frames, split=SPLIT)
    with pytest.raises(SettingsError, match=r"--tiles .* --frames"):
        bundle_of(asked, "a.blend", "4.5", INSPECTION)
    one = bundle_of(replace(asked, frames=(7,)), "a.blend", "4.5", INSPECTION)
    assert parse_job_file(write_job_file(one)) == one


def test_frames_outside_the_scenes_range_are_told() -> None:
    """fault_209: they are rendered, but hardly meant."""
    inspection = replace(INSPECTION, frame_start=10, frame_end=21)
    assert range_warning((10, 21), inspection) == ""
    assert "300-302" in range_warning((20, 300, 301, 302), inspection)


def settled(asked: BundleOptions, **own: object) -> Overrides:
    """The settings in `job.json` for a scene that has these; it can be read again."""
    found = bundle_of(asked, "a.blend", "4.5", replace(INSPECTION, **own))  # type: ignore[arg-type]
    assert parse_job_file(write_job_file(found)) == found
    return found.overrides


def test_what_nobody_asked_for_is_named_as_the_scene_has_it() -> None:
    """So that results can be compared with it (fault_131). Seed and denoising are the scene's own."""
    expected = Overrides(engine="CYCLES", resolution=(64, 36), samples=4, color_depth=16)
    assert settled(BundleOptions(), color_depth=16) == expected
    asked = Overrides(engine="CYCLES", resolution=(90, 40), samples=9, color_depth=8, seed=3, denoise=True)
    assert settled(BundleOptions(overrides=asked), color_depth=16) == asked


@pytest.mark.parametrize(
    ("image_format", "own", "depth"),
    [
        (ImageFormat.PNG, 8, 8),
        (ImageFormat.PNG, 32, 8),
        (ImageFormat.EXR, 16, 16),
        (ImageFormat.EXR, 8, 32),
        (ImageFormat.MULTILAYER, 8, 32),
    ],
)
def test_the_depth_is_the_one_that_a_render_would_choose(
    image_format: ImageFormat, own: int, depth: int
) -> None:
    """By the scene's own, if the format has it."""
    assert settled(BundleOptions(format=image_format), color_depth=own).color_depth == depth


def test_samples_are_those_of_cycles() -> None:
    """EEVEE counts others, and Workbench has none; a change of the engine keeps no number."""
    assert settled(BundleOptions(), engine="BLENDER_WORKBENCH").samples is None
    assert settled(BundleOptions(), engine="BLENDER_EEVEE_NEXT").samples is None
    asked = BundleOptions(overrides=Overrides(engine="CYCLES"))
    assert settled(asked, engine="BLENDER_EEVEE_NEXT").samples is None


def test_what_a_scene_varies_is_left_to_it_and_told() -> None:
    """One value would end its animation (fault_132)."""
    own = replace(INSPECTION, varied=("resolution", "samples"))
    made = bundle_of(BundleOptions(), "a.blend", "4.5", own)
    assert (made.overrides.resolution, made.overrides.samples) == (None, None)
    assert [text.split()[4] for text in varied_warnings(made, own)] == ["resolution,", "samples,"]
    asked = BundleOptions(overrides=Overrides(samples=3, resolution=(90, 40)))
    made = bundle_of(asked, "a.blend", "4.5", own)
    assert (made.overrides.resolution, made.overrides.samples) == ((90, 40), 3)
    assert varied_warnings(made, own) == ()
