"""What the channels of a delivered picture are: what people look at, other data, and identifiers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from veriframe.verifier.crops import Samples

COMBINED, COMPOSITE, CRYPTOMATTE = "Combined", "Composite", "Crypto"
SHADOW_CATCHER = "Shadow%20Catcher"
"""As the names of channels are written: docs/formats.md."""
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


def seen(channels: Sequence[str]) -> list[int]:
    """The places of all that a denoiser changes: the colours, and the compositor's picture of them."""
    return sorted({*colours(channels), *composited(channels)})


def data(channels: Sequence[str]) -> list[int]:
    """The places of all others, such as depth: no denoiser changes them."""
    return sorted(set(range(len(channels))) - set(seen(channels)))


def has_shadow_catcher(channels: Sequence[str]) -> bool:
    """Whether there is a pass that Cycles denoises, too, and of which no proof holds what it was before."""
    return any(SHADOW_CATCHER in _pass_of(name) for name in channels)


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
