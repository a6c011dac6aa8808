"""The pixels of decoded pictures, as arrays that can be compared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from veriframe.model.rendering.frames import Region
from veriframe.ports.renderer import CutSamples
from veriframe.verifier.channels import identifiers

Samples = NDArray[np.float32]
"""Pixels of a part of a picture: (height, width, channels)."""

_KNUTH = np.uint32(2_654_435_761)


def samples_of(cut: CutSamples) -> Samples:
    """The pixels of a cut, with numbers from 1 to 2 in place of Cryptomatte's identifiers.

    Two identifiers are equal or not, however near their bits are when they are read as a number.
    """
    values = np.frombuffer(cut.values, dtype="<f4").astype(np.float32, copy=False)
    found = values.reshape(cut.height, cut.width, len(cut.channels))
    if places := identifiers(cut.channels):
        found = found.copy()
        bits = np.ascontiguousarray(found[..., places]).view(np.uint32)
        found[..., places] = 1 + (bits * _KNUTH).astype(np.float32) / np.float32(2**32)
    return found


def part_of(samples: Samples, region: Region, of: Region) -> Samples:
    """The pixels of a region, out of those of a larger one; both in pixels of the whole picture."""
    top, left = region.top - of.top, region.left - of.left
    return samples[top : top + region.height, left : left + region.width]
