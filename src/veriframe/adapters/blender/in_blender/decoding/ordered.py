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

MOST = 1e18
"""The largest sample: squares of larger ones are no 32-bit numbers."""
MOST_OFTEN = {"Combined": 1e6, "Denoising Albedo": 1e3, "Denoising Normal": 1e1}
"""The largest median of each pass of a tile."""


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
        check_tile(planes)


def check_tile(planes: Planes) -> None:
    """Raise `NotAPictureError` unless a tile has all that a denoiser gets, once, in values that it can take.

    One lamp or firefly may be as bright as it likes within `MOST`. So most pixels are compared and not the
    brightest: white is 1, and where more than half of a tile is beyond `MOST_OFTEN`, nothing was rendered.
    """
    for name, most_often in MOST_OFTEN.items():
        for channel in TILE[name]:
            found = [plane for full, plane in planes.items() if full.endswith(f".{name}.{channel}")]
            if len(found) != 1 or found[0].dtype != np.float32:
                raise NotAPictureError(f"it has no single channel {name}.{channel} of 32 bits")
            values = np.abs(found[0])
            if not np.isfinite(values).all():
                raise NotAPictureError(f"{name}.{channel} holds samples that are not finite numbers")
            if values.max() > MOST or np.median(values) > most_often:
                raise NotAPictureError(f"{name}.{channel} holds values that no picture has")
