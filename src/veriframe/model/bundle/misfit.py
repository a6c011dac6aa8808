"""Whether a result's manifest is that of a job, as far as the registry and the bundle tell."""

from __future__ import annotations

import json
from collections.abc import Sequence

from veriframe.model.bundle.chunks import TILE_DEPTH, tile_overrides
from veriframe.model.bundle.inspected import Setting, settings_of
from veriframe.model.bundle.job_file import Bundle
from veriframe.model.bundle.manifest import FRAMES_FOLDER, Manifest, ManifestFrame, named_layers
from veriframe.model.content.cid import canonical_or_same
from veriframe.model.registry.job import Job, format_address
from veriframe.model.rendering.frames import ImageFormat, RenderTask, frame_file
from veriframe.model.rendering.scene import SceneInspection
from veriframe.model.rendering.sizes import largest_frame_bytes
from veriframe.model.text import printable

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
    if why := _not_as_ordered(manifest, bundle):
        return why
    if size is None:
        # Then that of the first frame counts.
        size = manifest.frames[0].width, manifest.frames[0].height
        if size[0] * size[1] > MOST_PIXELS:
            return f"has frames of more than {MOST_PIXELS // 10**6} million pixels"
    proof = bundle.proof_tiles > 0 and manifest.settings.get("engine") == "CYCLES"
    return next(filter(None, (_unfit(frame, bundle, size, has_proof=proof) for frame in manifest.frames)), "")


def settings_misfit(manifest: Manifest, inspection: SceneInspection, task: RenderTask) -> str:
    """Which setting of a manifest is not what the asset is rendered with, as one clause, or an empty text.

    `misfit` compares it with what the bundle says; only an inspection knows what the scene says.
    """
    expected = settings_of(inspection, task)
    layers = expected["view_layers"]
    if isinstance(layers, list):
        expected["view_layers"] = named_layers(layers)
    if expected["color_depth"] is None:
        # Then the scene's own, as far as its format has it.
        expected["color_depth"] = manifest.settings.get("color_depth")
    if not _same_line(manifest.blender, inspection.blender):
        return "names another release of Blender than the bundle"
    for name in dict.fromkeys((*expected, *manifest.settings)):
        if manifest.settings.get(name) != expected.get(name) or (name in expected) != (
            name in manifest.settings
        ):
            return f"names another {name} than the asset is rendered with"
    # What was read as `color_depth` may be any JSON.
    if any(frame.depth != manifest.settings.get("color_depth") for frame in manifest.frames):
        return "names another color_depth than its frames have"
    return ""


def _same_line(ours: str, theirs: str) -> bool:
    """Whether two versions, such as `4.5.15 LTS`, are of one release line."""
    return _line(ours) == _line(theirs)


def _line(version: str) -> Sequence[str]:
    return version.split(" ", maxsplit=1)[0].split(".")[:2]


def _not_as_ordered(manifest: Manifest, bundle: Bundle) -> str:
    """Which setting that the bundle asks for the result was not rendered with, as its worker says."""
    asked, is_tile = bundle.overrides, bundle.split is not None
    wanted: dict[str, Setting] = {
        "engine": asked.engine,
        "resolution": None if asked.resolution is None else list(asked.resolution),
        "samples": asked.samples,
        "seed": asked.seed,
        "denoise": False if is_tile else asked.denoise,
        "camera": asked.camera,
        "view_layers": None if asked.view_layer is None else [asked.view_layer],
        "format": _format(bundle).value,
        "color_depth": TILE_DEPTH if is_tile else asked.color_depth,
        "passes": [] if is_tile else list(asked.passes),
    }
    for name, value in wanted.items():
        found = manifest.settings.get(name)
        if value is not None and (found != value or type(found) is not type(value)):
            return f"names {name} {printable(json.dumps(found), 60)}, not {json.dumps(value)}"
    return ""


def _format(bundle: Bundle) -> ImageFormat:
    return bundle.format if bundle.split is None else ImageFormat.MULTILAYER


def _other_picture(frame: ManifestFrame, task: RenderTask) -> str:
    """How a frame differs from a task in depth or channels, as far as its manifest tells."""
    depth = task.overrides.color_depth
    # With layers, data such as distances always have 32 bits.
    has_layers = task.format is ImageFormat.MULTILAYER
    if depth is not None and frame.depth != depth and not (has_layers and frame.depth > depth):
        return f"has frame {frame.number} in {frame.depth} bits a channel, not {depth}"
    if frame.channels.count(",") >= task.most_channels:
        return f"has frame {frame.number} in more than {task.most_channels} channels"
    return ""


def _unfit(frame: ManifestFrame, bundle: Bundle, size: tuple[int, int], *, has_proof: bool) -> str:
    image_format = _format(bundle)
    if frame.file != f"{FRAMES_FOLDER}/{frame_file(frame.number, image_format)}":
        return f"has frame {frame.number} in another format"
    if bundle.split is None and size != (frame.width, frame.height):
        return f"has frame {frame.number} in another size"
    task = RenderTask(
        frames=(frame.number,),
        format=image_format,
        size=(frame.width, frame.height),
        overrides=bundle.overrides if bundle.split is None else tile_overrides(bundle.overrides),
        is_denoised_later=bundle.split is not None,
    )
    if why := _other_picture(frame, task):
        return why
    if has_proof and bundle.split is None and frame.proof is None:
        return f"lacks the proof of frame {frame.number}"
    if frame.size_bytes > largest_frame_bytes(task):
        return f"has frame {frame.number} in a file larger than its pixels take"
    return ""
