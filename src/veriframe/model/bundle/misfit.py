"""Whether a result's manifest is that of a job, as far as the registry and the bundle tell."""

from __future__ import annotations

from veriframe.model.bundle.job_file import Bundle
from veriframe.model.bundle.manifest import FRAMES_FOLDER, Manifest, ManifestFrame
from veriframe.model.content.cid import canonical_or_same
from veriframe.model.registry.job import Job, format_address
from veriframe.model.rendering.frames import ImageFormat, RenderTask, frame_file
from veriframe.model.rendering.sizes import most_bytes

MOST_PIXELS = 64_000_000
"""The most pixels of a frame whose size nobody asked for."""


def misfit(
    manifest: Manifest,
    job: Job,
    frames: tuple[int, ...],
    bundle: Bundle,
    size: tuple[int, int] | None = None,
) -> str:
    """Why a manifest is not that of the job with these frames, as one clause, or an empty text.

    `size` is that of the frames in pixels, None if it is not known.
    """
    asset_cid = canonical_or_same(job.order.asset_cid)
    comparisons = (
        (
            (manifest.job, manifest.order, manifest.part),
            (job.id, job.order.id, job.part),
            "is of another job",
        ),
        (canonical_or_same(manifest.asset), asset_cid, "names another asset"),
        (manifest.worker, format_address(job.worker), "names another worker"),
        (tuple(frame.number for frame in manifest.frames), frames, "has other frames than the chunk"),
    )
    for found, expected, why in comparisons:
        if found != expected:
            return why
    if size is None:
        # Then that of the first frame counts.
        size = manifest.frames[0].width, manifest.frames[0].height
        if size[0] * size[1] > MOST_PIXELS:
            return f"has frames of more than {MOST_PIXELS // 10**6} million pixels"
    return next(filter(None, (_unfit(frame, bundle, size) for frame in manifest.frames)), "")


def _unfit(frame: ManifestFrame, bundle: Bundle, size: tuple[int, int]) -> str:
    image_format = bundle.format if bundle.split is None else ImageFormat.MULTILAYER
    if frame.file != f"{FRAMES_FOLDER}/{frame_file(frame.number, image_format)}":
        return f"has frame {frame.number} in another format"
    if bundle.split is None and size != (frame.width, frame.height):
        return f"has frame {frame.number} in another size"
    task = RenderTask(
        frames=(frame.number,),
        format=image_format,
        size=(frame.width, frame.height),
        overrides=bundle.overrides,
        is_denoised_later=bundle.split is not None,
    )
    if frame.size_bytes > most_bytes(task):
        return f"has frame {frame.number} in a file larger than its pixels take"
    return ""
