"""What a creator asks of a scene, before it is known what the scene has."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace

from veriframe.errors import Code, JobRejected, SettingsError
from veriframe.model.bundle.job_file import (
    DEPTHS,
    ENGINES,
    SIDE_MAX_PIXELS,
    SIDE_MIN_PIXELS,
    Bundle,
    Split,
    parse_job_file,
    write_job_file,
)
from veriframe.model.rendering.frames import (
    FIRST_FRAME,
    LAST_FRAME,
    MAX_FRAMES,
    ImageFormat,
    format_frames,
    parse_frames,
)
from veriframe.model.rendering.overrides import PASSES, Overrides, overridden
from veriframe.model.rendering.scene import SceneInspection
from veriframe.model.text import printable, some_names


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


OPTIONS = {
    "camera": "--camera",
    "view_layer": "--view-layer",
    "engine": "--engine",
    "resolution": "--resolution",
    "samples": "--samples",
    "seed": "--seed",
    "denoise": "--denoise",
    "color_depth": "--depth",
    "passes": "--pass",
}
"""The options of commands, by the names of `Overrides`."""

MOST_TILES = 32
MOST_FRAME_SECONDS = 7 * 86400
MOST_NAME = 255


def frames_option(option: str, text: str) -> tuple[int, ...]:
    """The numbers of an option such as `--frames 1-10,15`. Raises `SettingsError`, which names the option."""
    try:
        return parse_frames(text)
    except JobRejected as error:
        # No scene is at fault, but the option.
        raise SettingsError(f"{option}: {error}") from error


def require_fit(bundle: Bundle) -> None:
    """Raise `SettingsError`, with the option at fault, if no `job.json` can ask for this bundle."""
    asked, split = bundle.overrides, bundle.split
    for name in ("camera", "view_layer"):
        if (given := getattr(asked, name)) is not None and not 1 <= len(given) <= MOST_NAME:
            raise _unfit(OPTIONS[name], f"a name has 1 to {MOST_NAME} characters")
    if asked.resolution and not all(SIDE_MIN_PIXELS <= n <= SIDE_MAX_PIXELS for n in asked.resolution):
        raise _unfit("--resolution", f"a side has {SIDE_MIN_PIXELS} to {SIDE_MAX_PIXELS} pixels")
    if bundle.frame_seconds is not None and not 0 < bundle.frame_seconds <= MOST_FRAME_SECONDS:
        raise _unfit("--frame-seconds", f"it is above 0 and at most {MOST_FRAME_SECONDS}")
    depths = DEPTHS[bundle.format]
    if asked.color_depth is not None and asked.color_depth not in depths:
        raise _unfit("--depth", f"{bundle.format.value} has {depths[0]} or {depths[1]} bits a channel")
    _require_passes(bundle)
    if split is not None:
        if not all(1 <= n <= MOST_TILES for n in (split.columns, split.rows)):
            raise _unfit("--tiles", f"there are 1 to {MOST_TILES} columns and rows")
        if asked.denoise or asked.passes or bundle.format is ImageFormat.MULTILAYER:
            why = "the tiles are denoised after merging, as the scene says, and merged into one plain picture"
            raise _unfit("--tiles", f"{why}: leave out --denoise, --pass and --format multilayer")
        _require_one(bundle.frames)
    try:
        parse_job_file(write_job_file(bundle))
    except JobRejected as error:
        option = "--frames" if error.code is Code.FRAME_RANGE or "frames:" in str(error) else "The options"
        raise SettingsError(
            f"{option} cannot be used: no job.json can hold that. Order fewer frames at a time, in ranges."
        ) from error


def _require_passes(bundle: Bundle) -> None:
    passes = bundle.overrides.passes
    if unknown := [name for name in passes if name not in PASSES]:
        raise _unfit("--pass", f"there is no pass “{printable(unknown[0], 40)}”, but {', '.join(PASSES)}")
    if len(set(passes)) != len(passes):
        raise _unfit("--pass", "a pass is named twice")
    if passes and bundle.format is not ImageFormat.MULTILAYER:
        raise _unfit("--pass", "passes need --format multilayer")


def _require_one(frames: tuple[int, ...]) -> None:
    if len(frames) != 1:
        raise _unfit("--tiles", f"tiles split one frame, not {len(frames)}: name it, as --frames {frames[0]}")


def _unfit(option: str, why: str) -> SettingsError:
    return SettingsError(f"{option} cannot be used like this: {why}.")


def overridden_by_options(own: SceneInspection, asked: Overrides) -> SceneInspection:
    """The inspection of the scene with the options. Raises `SettingsError`, with the option at fault."""
    try:
        return overridden(own, asked)
    except JobRejected as error:
        for name, option in OPTIONS.items():
            alone = Overrides(**{"engine": asked.engine, name: getattr(asked, name)})
            with suppress(JobRejected):
                overridden(own, alone)
                continue
            raise SettingsError(f"{option} does not fit the scene: {error}") from error
        raise


def bundle_of(asked: BundleOptions, scene: str, blender: str, inspection: SceneInspection | None) -> Bundle:
    """The bundle's description. `scene` is the path within the bundle, `blender` the release line.

    Without frames, the scene's own range of frames is rendered: then the inspection is needed. What was not
    asked for is named as the scene itself has it, so that results can be compared with it. `inspection` is
    of the scene without the options. Raises `SettingsError` for too many frames, and for a split of more than
    one.
    """
    frames = asked.frames
    if frames is None:
        assert inspection is not None, "asked for the scene's own range"
        frames = own_frames(inspection)
    if asked.split is not None:
        _require_one(frames)
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


def class_warning(bundle: Bundle, own_class: str) -> str:
    """Whether the bundle is for other machines than this one, as a sentence; empty if it is not.

    `own_class` is that of this machine, empty if it is not known.
    """
    if not bundle.classes or own_class in bundle.classes:
        return ""
    accepted = f"Only machines of the class {some_names(bundle.classes)} take it"
    if not own_class:
        return f"{accepted}, and that of this machine was not compared: veriframe doctor shows it."
    return (
        f"{accepted}, and this one has the class {own_class}: no check, estimate or trial here shows whether"
        " anybody will."
    )


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
    """The scene's own range. Raises `SettingsError` if it holds too many."""
    first = min(max(FIRST_FRAME, inspection.frame_start), LAST_FRAME)
    last = min(max(first, inspection.frame_end), LAST_FRAME)
    if last - first >= MAX_FRAMES:
        raise SettingsError(
            f"The scene's own range, {first} to {last}, has more than {MAX_FRAMES} frames. Name at most so"
            " many with --frames, and order the others after them."
        )
    return tuple(range(first, last + 1))
