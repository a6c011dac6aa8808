"""What the channels of a delivered picture are: what people look at, other data, and identifiers."""

from __future__ import annotations

from collections.abc import Sequence

COMBINED, COMPOSITE, CRYPTOMATTE = "Combined", "Composite", "Crypto"
SHADOW_CATCHER = "Shadow%20Catcher"
"""As the names of channels are written: docs/formats.md."""


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


def identifiers(channels: Sequence[str]) -> list[int]:
    """The places of Cryptomatte's identifiers.

    A Cryptomatte pass holds pairs of an identifier and its coverage (Psyop, Cryptomatte specification 1.2).
    """
    return [
        place
        for place, name in enumerate(channels)
        if _pass_of(name).startswith(CRYPTOMATTE) and name[-1] in "RBrb"
    ]


def _pass_of(name: str) -> str:
    parts = name.rsplit(".", 2)
    return parts[-2] if len(parts) > 1 else ""


def _layer_of(name: str) -> str:
    return name.rsplit(".", 2)[0]
