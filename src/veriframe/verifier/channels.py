"""What the channels of a delivered picture are: what people look at, other data, and identifiers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from veriframe.verifier.crops import Samples

COMBINED, COMPOSITE, CRYPTOMATTE = "Combined", "Composite", "Crypto"
_KNUTH = np.uint32(2_654_435_761)


def colours(channels: Sequence[str]) -> list[int]:
    """The places of the channels that a denoiser changes, and people look at.

    Those of a picture without layers, or of the combined passes of its layers.
    """
    if not any("." in name for name in channels):
        return list(range(len(channels)))
    combined = [place for place, name in enumerate(channels) if _pass_of(name) == COMBINED]
    rendered = [place for place in combined if _layer_of(channels[place]) != COMPOSITE]
    return rendered or combined


def composited(channels: Sequence[str]) -> list[int]:
    """The places of the compositor's picture, or of the colours of a picture without one."""
    found = [place for place, name in enumerate(channels) if name.startswith(f"{COMPOSITE}.{COMBINED}.")]
    return found or colours(channels)


def data(channels: Sequence[str]) -> list[int]:
    """The places of all others, such as depth: no denoiser changes them."""
    return sorted(set(range(len(channels))) - set(colours(channels)))


def with_numbers(samples: Samples, channels: Sequence[str]) -> Samples:
    """The samples, with numbers from 1 to 2 in place of Cryptomatte's identifiers.

    Two identifiers are equal or not, however near their bits are when they are read as a number. A
    Cryptomatte pass holds pairs of an identifier and its coverage (Psyop, Cryptomatte specification 1.2).
    """
    places = [place for place, name in enumerate(channels) if _is_identifier(name)]
    if not places:
        return samples
    found = samples.copy()
    bits = np.ascontiguousarray(samples[..., places]).view(np.uint32)
    found[..., places] = 1 + (bits * _KNUTH).astype(np.float32) / np.float32(2**32)
    return found


def _is_identifier(name: str) -> bool:
    return _pass_of(name).startswith(CRYPTOMATTE) and name[-1] in "RBrb"


def _pass_of(name: str) -> str:
    parts = name.rsplit(".", 2)
    return parts[-2] if len(parts) > 1 else ""


def _layer_of(name: str) -> str:
    return name.rsplit(".", 2)[0]
