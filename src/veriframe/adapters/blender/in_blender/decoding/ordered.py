"""Whether a picture is what was ordered, beyond its size: its depth, its passes, and what a tile needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pixel_digest import Planes  # type: ignore[import-not-found]
from png_file import NotAPictureError  # type: ignore[import-not-found]

PASSES = {
    "z": ("Depth",),
    "mist": ("Mist",),
    "position": ("Position",),
    "normal": ("Normal",),
    "vector": ("Vector",),
    "uv": ("UV",),
    "object_index": ("IndexOB", "Object Index"),
    "material_index": ("IndexMA", "Material Index"),
    "diffuse_direct": ("DiffDir", "Diffuse Direct"),
    "diffuse_indirect": ("DiffInd", "Diffuse Indirect"),
    "diffuse_color": ("DiffCol", "Diffuse Color"),
    "glossy_direct": ("GlossDir", "Glossy Direct"),
    "glossy_indirect": ("GlossInd", "Glossy Indirect"),
    "glossy_color": ("GlossCol", "Glossy Color"),
    "transmission_direct": ("TransDir", "Transmission Direct"),
    "transmission_indirect": ("TransInd", "Transmission Indirect"),
    "transmission_color": ("TransCol", "Transmission Color"),
    "emit": ("Emit", "Emission"),
    "environment": ("Env", "Environment"),
    "shadow": ("Shadow",),
    "ambient_occlusion": ("AO", "Ambient Occlusion"),
}
"""The names of passes in files, of Blender 4 and 5, by those of `ViewLayer.use_pass_…`."""

TILE = {"Combined": "RGBA", "Denoising Albedo": "RGB", "Denoising Normal": "XYZ"}
"""The passes of a tile of a split still, and their channels, all of 32 bits."""


def check(asked: Mapping[str, Any], planes: Planes, looked_at: Sequence[Any]) -> None:
    """Raise `NotAPictureError` if the channels of a picture are not what was asked for.

    `looked_at` are those of them that people look at: with layers, others may have more bits.
    """
    bits = {8 * plane.dtype.itemsize for plane in looked_at}
    if asked["depth"] and bits != {asked["depth"]}:
        raise NotAPictureError(f"it has {min(bits)} bits a channel, not {asked['depth']}")
    found = {name.rsplit(".", 2)[-2] for name in planes if name.count(".") >= 2}
    for name in asked["passes"]:
        if not found.intersection(PASSES[name]):
            raise NotAPictureError(f"it lacks the pass {name}")
    if asked["is_tile"]:
        _check_tile(planes)


def _check_tile(planes: Planes) -> None:
    for name in (f"{one}.{channel}" for one, channels in TILE.items() for channel in channels):
        found = [plane for full, plane in planes.items() if full.endswith(f".{name}")]
        if len(found) != 1 or found[0].dtype != np.float32:
            raise NotAPictureError(f"it has no single channel {name} of 32 bits")
