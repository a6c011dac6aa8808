"""Which channels a denoiser changes, and Cryptomatte's identifiers."""

from __future__ import annotations

import pytest

from veriframe.verifier import channels

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
