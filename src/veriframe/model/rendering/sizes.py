"""The largest files that a bundle's task may leave: for the room in the store, and for the lease."""

from __future__ import annotations

from veriframe.model.rendering.frames import OWN_CHANNELS, ImageFormat, RenderTask

_PNG_PIXEL_BYTES = 9
"""RGBA with 16 bits each, and a byte for each row, for rows of one pixel."""
_FULL_PIXEL_BYTES = 16
"""RGBA as 32-bit numbers."""
PROOF_CHANNELS = 10
"""Of one view layer's proof: the noisy image, and the albedo and the normals that the denoiser gets."""
_PROOF_PIXEL_BYTES = 3 * _FULL_PIXEL_BYTES
"""The noisy image, albedo and normal, each as 32-bit numbers."""
_FRAME_BYTES = 2**18
"""A frame's thumbnail, its headers, its list of tiles and its part of the manifest and the preview."""
_FOLDER_BYTES = 2**20


def most_bytes(task: RenderTask) -> int:
    """The largest result of a bundle's task. Compression may add a thousandth."""
    pixel_bytes = _pixel_bytes(task) + (_PROOF_PIXEL_BYTES if task.has_proof else 0)
    frame_bytes = task.pixels * pixel_bytes * 1001 // 1000 + _FRAME_BYTES
    return len(task.frames) * frame_bytes + _FOLDER_BYTES


def largest_frame_bytes(task: RenderTask) -> int:
    """No file of an honest frame is larger: with every channel that its scene may have of its own."""
    if task.format is ImageFormat.PNG or task.is_denoised_later:
        pixel_bytes = _pixel_bytes(task)
    else:
        pixel_bytes = 4 * task.most_channels
    return task.pixels * pixel_bytes * 1001 // 1000 + _FRAME_BYTES


def largest_proof_bytes(task: RenderTask) -> int:
    """No proof of an honest frame is larger: with every view layer that its scene may have."""
    return task.pixels * 4 * OWN_CHANNELS * 1001 // 1000 + _FRAME_BYTES


def _pixel_bytes(task: RenderTask) -> int:
    if task.format is ImageFormat.PNG:
        return _PNG_PIXEL_BYTES
    if task.is_denoised_later:
        return _PROOF_PIXEL_BYTES
    layers = 1 + len(task.overrides.passes)
    return layers * (_FULL_PIXEL_BYTES // 2 if task.overrides.color_depth == 16 else _FULL_PIXEL_BYTES)
