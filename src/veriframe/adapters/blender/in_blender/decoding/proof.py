"""The proof of a frame: what Cycles rendered before denoising, and the hashes of its tiles."""

from __future__ import annotations

from pathlib import Path

import exr_file  # type: ignore[import-not-found]
import numpy as np
import pixel_digest  # type: ignore[import-not-found]
from pixel_digest import Planes
from png_file import NotAPictureError  # type: ignore[import-not-found]

NOISY = "Noisy Image"
GUIDES = {"Denoising Albedo": "RGB", "Denoising Normal": "XYZ"}
"""What a denoiser gets besides the noisy image, and its channels."""

COMPOSITE = "Composite"
"""What Blender calls the compositor's picture among the layers."""


def write(source: Path, width: int, height: int, proof: Path, tiles: Path) -> str:
    """Write both files of the proof. Returns the root over its tiles, in hex. Raises `NotAPictureError`."""
    planes = exr_file.read_layers(source, width, height)
    noisy, guides = of_layers(planes)
    leaves = pixel_digest.leaves(noisy)
    tiles.write_bytes(b"".join(leaves))
    exr_file.write(proof, {**noisy, **guides}, tiled=True)
    return str(pixel_digest.root(leaves).hex())


def of_layers(planes: Planes) -> tuple[Planes, Planes]:
    """The noisy images of all view layers, and what their denoisers got. Raises `NotAPictureError`."""
    noisy, guides = {}, {}
    layers = dict.fromkeys(name.rsplit(".", 2)[0] for name in planes)
    for layer in layers if len(layers) == 1 else [name for name in layers if name != COMPOSITE]:
        is_denoised = f"{layer}.{NOISY}.R" in planes
        for channel in "RGBA":
            found = planes.get(f"{layer}.{NOISY if is_denoised else 'Combined'}.{channel}")
            if found is None or found.dtype != np.float32:
                raise NotAPictureError(f"its layer {layer} has no noisy image")
            noisy[f"{layer}.{NOISY}.{channel}"] = found
        for guide, channels in GUIDES.items() if is_denoised else ():
            for channel in channels:
                if (found := planes.get(f"{layer}.{guide}.{channel}")) is not None:
                    guides[f"{layer}.{guide}.{channel}"] = found
    return noisy, guides
