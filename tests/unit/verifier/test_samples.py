"""The pixels of decoded pictures: identifiers are numbers that can be told apart."""

from __future__ import annotations

import numpy as np
from tests.unit.verifier.test_channels import LAYERED

from veriframe.ports.renderer import CutSamples
from veriframe.verifier import comparing
from veriframe.verifier.samples import Samples, samples_of


def cut(samples: Samples, names: tuple[str, ...]) -> CutSamples:
    """A decoded picture of these samples."""
    height, width, _ = samples.shape
    return CutSamples(leaf="", channels=names, width=width, height=height, values=samples.tobytes())


def test_identifiers_that_differ_differ_by_much() -> None:
    """fault_338: two mattes whose identifiers are tiny numbers are not the same matte."""
    ours = np.zeros((4, 4, len(LAYERED)), np.float32)
    theirs = ours.copy()
    ours[..., 5], theirs[..., 5] = 3e-7, 4e-7
    assert comparing.relative(ours, theirs).max() < 0.001
    a, b = (samples_of(cut(samples, LAYERED)) for samples in (ours, theirs))
    assert comparing.relative(a, b).min() > 0.001
    others = [0, 1, 2, 4, 6]
    assert np.array_equal(a[..., others], ours[..., others])
    assert np.array_equal(a, samples_of(cut(ours, LAYERED)))


def test_all_other_channels_are_as_they_are() -> None:
    """Radiance has any value, also those that no number is."""
    colours = np.array([[[3e-7, 2.0, np.inf], [0.0, -1.0, np.nan]]], np.float32)
    assert samples_of(cut(colours, ("R", "G", "B"))).tobytes() == colours.tobytes()
