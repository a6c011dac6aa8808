"""Which channels a denoiser changes, and Cryptomatte's identifiers."""

from __future__ import annotations

import numpy as np
import pytest

from veriframe.verifier import channels, comparing

LAYERED = (
    "ViewLayer.Combined.A",
    "ViewLayer.Combined.B",
    "ViewLayer.CryptoObject00.a",
    "ViewLayer.CryptoObject00.b",
    "ViewLayer.CryptoObject00.g",
    "ViewLayer.CryptoObject00.r",
    "ViewLayer.Depth.Z",
)


@pytest.mark.parametrize(
    ("names", "colours"),
    [
        (("R", "G", "B", "A"), [0, 1, 2, 3]),
        (LAYERED, [0, 1]),
        (("Composite.Combined.R", "ViewLayer.Combined.R", "ViewLayer.Normal.X"), [1]),
        (("Composite.Combined.R",), [0]),
    ],
)
def test_colours_are_what_people_look_at(names: tuple[str, ...], colours: list[int]) -> None:
    """Everything else is data, but the compositor's picture, which people look at, too."""
    assert channels.colours(names) == colours
    seen = [place for place, name in enumerate(names) if place in colours or name.startswith("Composite.")]
    assert channels.seen(names) == seen
    assert channels.data(names) == [place for place in range(len(names)) if place not in seen]


def test_a_shadow_catcher_is_found_by_the_name_of_its_pass() -> None:
    """As a manifest writes it: it is denoised, too."""
    assert channels.has_shadow_catcher((*LAYERED, "ViewLayer.Shadow%20Catcher.R"))
    assert channels.has_shadow_catcher(("ViewLayer.Noisy%20Shadow%20Catcher.R",))
    assert not channels.has_shadow_catcher((*LAYERED, "Shadow%20Catcher.Combined.R"))


def test_the_compositor_has_one_picture() -> None:
    """A proof that is denoised again comes out of the compositor, beside an empty render."""
    names = ("Composite.Combined.A", "Composite.Combined.R", "ViewLayer.Combined.A", "ViewLayer.Combined.R")
    assert channels.composited(names) == [0, 1]
    assert channels.composited(("R", "G", "B")) == [0, 1, 2]


def test_identifiers_that_differ_differ_by_much() -> None:
    """fault_338: two mattes whose identifiers are tiny numbers are not the same matte."""
    ours = np.zeros((4, 4, len(LAYERED)), np.float32)
    theirs = ours.copy()
    ours[..., 5], theirs[..., 5] = 3e-7, 4e-7
    assert comparing.relative(ours, theirs).max() < 0.001
    a, b = (channels.with_numbers(samples, LAYERED) for samples in (ours, theirs))
    assert comparing.relative(a, b).min() > 0.001
    assert np.array_equal(a, channels.with_numbers(ours, LAYERED))
    assert channels.with_numbers(ours, ("R", "G", "B")) is ours
