"""What a creator asks of a scene, before it is known what the scene has."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from veriframe.errors import Code, JobRejected
from veriframe.model.bundle.job_file import DEPTHS, ENGINES, SIDE_MIN_PIXELS, Bundle, Split, format_frames
from veriframe.model.rendering.frames import FIRST_FRAME, LAST_FRAME, ImageFormat, parse_frames
from veriframe.model.rendering.overrides import Overrides
from veriframe.model.rendering.scene import SceneInspection


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleOptions:
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


def bundle_of(asked: BundleOptions, scene: str, blender: str, inspection: SceneInspection | None) -> Bundle:
    """The bundle's description. `scene` is the path within the bundle, `blender` the release line.

    Without frames, the scene's own range of frames is rendered: then the inspection is needed. What was not
    asked for is named as the scene itself has it, so that results can be compared with it. `inspection` is
    of the scene without the options. Raises `JobRejected` (FRAME_RANGE), also for a split of more than one
    frame.
    """
    frames = asked.frames
    if frames is None:
        assert inspection is not None, "asked for the scene's own range"
        frames = own_frames(inspection)
    if asked.split is not None and len(frames) != 1:
        raise JobRejected(
            Code.FRAME_RANGE,
            f"Tiles split one frame, not {len(frames)}. Name it, such as --frames {frames[0]}.",
        )
    return Bundle(
        scene=scene,
        blender=blender,
        frames=frames,
        chunk=asked.chunk or 1,
        overrides=asked.overrides if inspection is None else settled(asked, inspection),
        format=asked.format,
        classes=asked.classes,
        frame_seconds=asked.frame_seconds,
        memory_bytes=asked.memory_bytes,
        proof_tiles=asked.proof_tiles,
        split=asked.split,
    )


def settled(asked: BundleOptions, own: SceneInspection) -> Overrides:
    """What was asked for, and the scene's own engine, size, samples of Cycles and depth in place of None.

    What the scene varies stays None: one value would end its animation.
    """
    given = asked.overrides
    is_of_cycles = own.engine == "CYCLES" and given.engine in {None, "CYCLES"}
    is_wide = min(own.width, own.height) >= SIDE_MIN_PIXELS
    depths = DEPTHS[asked.format]
    # As a render chooses it: PNG has 8 bits if the scene's own format has another depth, an EXR 32.
    usual = depths[0] if asked.format is ImageFormat.PNG else depths[-1]
    resolution = (own.width, own.height) if is_wide and "resolution" not in own.varied else None
    samples = own.samples if is_of_cycles and own.samples and "samples" not in own.varied else None
    return replace(
        given,
        engine=given.engine or (own.engine if own.engine in ENGINES else None),
        resolution=given.resolution or resolution,
        samples=given.samples or samples,
        color_depth=given.color_depth or (own.color_depth if own.color_depth in depths else usual),
    )


def bundle_warnings(bundle: Bundle, own: SceneInspection) -> tuple[str, ...]:
    """What a creator may not expect of the bundle of a scene, as sentences. `own` is the scene's own."""
    outside = range_warning(bundle.frames, own)
    return (*varied_warnings(bundle, own), *((outside,) if outside else ()))


def varied_warnings(bundle: Bundle, own: SceneInspection) -> tuple[str, ...]:
    """The settings that a bundle leaves to its scene because the scene varies them, as sentences."""
    return tuple(
        f"The scene varies its {name}, so job.json does not name it. --{name} gives all frames the same."
        for name in own.varied
        if getattr(bundle.overrides, name, 0) is None
        and (name != "samples" or bundle.overrides.engine == "CYCLES")
    )


def range_warning(frames: tuple[int, ...], inspection: SceneInspection) -> str:
    """Which frames are outside the scene's own range, as a sentence; empty if none is."""
    first, last = inspection.frame_start, inspection.frame_end
    outside = tuple(number for number in frames if not first <= number <= last)
    if not outside:
        return ""
    told = f"frame {outside[0]} is" if len(outside) == 1 else f"frames {format_frames(outside)} are"
    return f"The {told} outside the scene's own range, {first} to {last}. --frames names others."


def own_frames(inspection: SceneInspection) -> tuple[int, ...]:
    """The scene's own range. Raises `JobRejected` (FRAME_RANGE) if it holds too many."""
    first = min(max(FIRST_FRAME, inspection.frame_start), LAST_FRAME)
    last = min(max(first, inspection.frame_end), LAST_FRAME)
    return parse_frames(f"{first}-{last}")
