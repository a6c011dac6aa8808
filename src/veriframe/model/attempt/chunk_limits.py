"""How long a frame of a bundle may take, and how long a lease must be, so that workers take its chunks.

A worker takes a chunk only if its lease covers every frame at its limit, and if all of them together do not
exceed its limit for chunks: an hour by default for creators who have not paid it yet. Without a limit in
`job.json` each frame counts with the worker's own, five minutes by default, however light it is.
"""

from __future__ import annotations

import math
from dataclasses import replace

from veriframe.model.attempt.policy import Policy
from veriframe.model.bundle.chunks import frames_of
from veriframe.model.bundle.estimate import LEASE_STEP_SECONDS, Estimate
from veriframe.model.bundle.job_file import Bundle
from veriframe.model.registry.job import NOBODY
from veriframe.model.rendering.frames import RenderTask

SLOWER = 2.0
"""A worker may be this much slower than the machine of the estimate."""

LEAST_SECONDS = 1.0
"""The shortest limit: a busy machine may take this long for any frame."""

RELEASE_FEE_SHARE = 0.25
"""The most of a bond that workers of default settings let a release cost."""

_SOME_BOND_FRI = 1
_POLICY = Policy(account=NOBODY, release_fee_share=RELEASE_FEE_SHARE)

LONGEST_CHUNK_SECONDS = _POLICY.longest_chunk
"""The longest chunk that workers of default settings take from creators who have not paid them."""


def frame_limit(bundle: Bundle, size: tuple[int, int] | None, lease_seconds: int) -> float:
    """The longest limit of a frame with which a worker of default settings takes the first chunk, in seconds.

    `size` is the picture's, in pixels; None if it is not known. Not above 0 if no limit is short enough.
    """
    frames = len(frames_of(bundle, 0))
    seconds: float = lease_seconds - _other_seconds(bundle, size)
    if frames > 1:
        seconds = min(seconds, _POLICY.longest_chunk - _POLICY.limits.loading_seconds)
    return math.floor(10 * seconds / frames) / 10


def with_frame_limit(bundle: Bundle, size: tuple[int, int] | None, lease_seconds: int) -> Bundle:
    """The bundle with a limit for its frames that fits the lease, if it has none and needs one."""
    fits = shortest_lease(bundle, size) <= lease_seconds and not is_too_long(bundle)
    if bundle.frame_seconds is not None or fits:
        return bundle
    limit = frame_limit(bundle, size, lease_seconds)
    return replace(bundle, frame_seconds=limit) if limit >= LEAST_SECONDS else bundle


def lease_of(bundle: Bundle, size: tuple[int, int] | None, estimate: Estimate) -> int:
    """The estimate's lease or, if its frames might be cut off in it, a longer one; in seconds."""
    limit = max(LEAST_SECONDS, SLOWER * (estimate.frame_seconds + estimate.error_seconds))
    frames = len(frames_of(bundle, 0))
    needed = _other_seconds(bundle, size) + frames * limit
    if frames > 1:
        needed = max(needed, _POLICY.unhurried_lease(_task(bundle, size, limit)))
    return max(estimate.lease_seconds, math.ceil(needed / LEASE_STEP_SECONDS) * LEASE_STEP_SECONDS)


def is_too_long(bundle: Bundle) -> bool:
    """Whether the first chunk may take longer by its limits than workers of default settings allow."""
    return chunk_seconds(bundle) > _POLICY.longest_chunk and len(frames_of(bundle, 0)) > 1


def chunk_seconds(bundle: Bundle) -> float:
    """How long the first chunk may take by the limits of workers of default settings, with loading."""
    return _POLICY.limited_seconds(_task(bundle, None, bundle.frame_seconds))


def shortest_lease(bundle: Bundle, size: tuple[int, int] | None) -> int:
    """The shortest lease with which workers of default settings take the bundle's first chunk, in seconds."""
    return _POLICY.shortest_lease(_SOME_BOND_FRI, _task(bundle, size, bundle.frame_seconds))


def unhurried_lease(bundle: Bundle, size: tuple[int, int] | None) -> int:
    """The shortest lease in which workers that its creator has not paid stop no chunk early, in seconds."""
    return _POLICY.unhurried_lease(_task(bundle, size, bundle.frame_seconds))


def _other_seconds(bundle: Bundle, size: tuple[int, int] | None) -> int:
    """What a lease must hold beside the frames: loading, decoding, the upload and the submission."""
    return _POLICY.shortest_lease(_SOME_BOND_FRI, _task(bundle, size, 0.0))


def _task(bundle: Bundle, size: tuple[int, int] | None, frame_seconds: float | None) -> RenderTask:
    return RenderTask(
        frames=frames_of(bundle, 0),
        format=bundle.format,
        size=bundle.overrides.resolution or size,
        overrides=bundle.overrides,
        has_proof=bundle.proof_tiles > 0,
        has_thumbnail=True,
        frame_seconds=frame_seconds,
    )
