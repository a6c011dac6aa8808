"""What a creator wants of a scene, before it is known what the scene has."""

from __future__ import annotations

from dataclasses import dataclass, field

from veriframe.model.bundle.job_file import Bundle, Split
from veriframe.model.rendering.frames import FIRST_FRAME, LAST_FRAME, ImageFormat, parse_frames
from veriframe.model.rendering.overrides import Overrides
from veriframe.model.rendering.scene import SceneInspection


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """The options of a bundle. None: as the scene says; for `chunk`, as the estimate suggests."""

    frames: tuple[int, ...] | None = None
    chunk: int | None = None
    overrides: Overrides = field(default_factory=Overrides)
    format: ImageFormat = ImageFormat.PNG
    classes: tuple[str, ...] = ()
    frame_seconds: float | None = None
    memory_bytes: int | None = None
    proof_tiles: int = 4
    split: Split | None = None


def bundle_of(wishes: Wishes, scene: str, blender: str, inspection: SceneInspection) -> Bundle:
    """The bundle's description. `scene` is the path within the bundle, `blender` the release line.

    Without a wish, the scene's own range of frames is rendered. Raises `JobRejected` (FRAME_RANGE).
    """
    frames = wishes.frames or own_frames(inspection)
    return Bundle(
        scene=scene,
        blender=blender,
        frames=frames,
        chunk=wishes.chunk or 1,
        overrides=wishes.overrides,
        format=wishes.format,
        classes=wishes.classes,
        frame_seconds=wishes.frame_seconds,
        memory_bytes=wishes.memory_bytes,
        proof_tiles=wishes.proof_tiles,
        split=wishes.split,
    )


def own_frames(inspection: SceneInspection) -> tuple[int, ...]:
    """The scene's own range. Raises `JobRejected` (FRAME_RANGE) if it holds too many."""
    first = min(max(FIRST_FRAME, inspection.frame_start), LAST_FRAME)
    last = min(max(first, inspection.frame_end), LAST_FRAME)
    return parse_frames(f"{first}-{last}")
