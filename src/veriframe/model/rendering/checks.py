"""The scene check before rendering: refuses scenes that this worker cannot render safely.

First it checks the file without Blender (`read_header`, `check_version`), then Blender's report from inside
the sandbox (`parse_inspection`, `judge`). Every refusal is a `JobRejected` with a code and one sentence that
the scene's creator can act on. Texts from the scene are untrusted and shown only as `printable` text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, Field, ValidationError

from veriframe.errors import Code, JobRejected
from veriframe.model.rendering.blend_file import read_header
from veriframe.model.rendering.scene import (
    BlenderVersion,
    MissingFile,
    SceneHeader,
    SceneInspection,
    SceneLimits,
    SceneVerdict,
)
from veriframe.model.text import printable, some_names

__all__ = ["check_version", "judge", "parse_inspection", "read_header"]

STILL = 1
"""The frame that is rendered of a bare scene."""

MOST_NAMES = 1_000
"""Entries in one list of an inspection. Blender's script sends fewer."""

MOST_CHARACTERS = 1_024
"""Longest text in an inspection; longer ones are cut. Blender's own paths are not longer."""

DEFAULT_OUTPUTS = ("", "/tmp/", "/tmp\\", "//")  # noqa: S108 - defaults of a new Blender scene
"""Default output paths, which cause no warning."""


def check_version(version: BlenderVersion, renderer: BlenderVersion) -> None:
    """Raise `JobRejected` (VERSION) if another release line than this renderer's wrote the scene.

    Other release lines open many scenes too, but may change the picture or drop features silently.
    """
    if version != renderer:
        raise JobRejected(
            Code.VERSION,
            f"The scene was saved by Blender {version}, and this worker renders scenes of "
            f"Blender {renderer}. Save it with that one, or set BLENDER_PATH to a Blender {version}.",
        )


def parse_inspection(raw: Mapping[str, object]) -> SceneInspection:
    """Parse the sandbox's report strictly: types are exact, ranges and lengths bounded.

    Texts become printable and are cut at `MOST_CHARACTERS`; unknown keys are ignored. Raises `JobRejected`
    (CORRUPT): a scene that took control of the inspection script can send anything.
    """
    try:
        report = _Report.model_validate(dict(raw))
    except ValidationError as error:
        places = {".".join(str(part) for part in fault["loc"]) for fault in error.errors(include_input=False)}
        raise JobRejected(
            Code.CORRUPT,
            f"Blender's report on the scene cannot be used: {some_names(sorted(places))}. "
            "The scene is damaged; save it again with Blender.",
        ) from None
    return report.inspection()


def judge(
    header: SceneHeader, inspection: SceneInspection, limits: SceneLimits, *, pixels: int | None = None
) -> SceneVerdict:
    """Judge a scene by its inspection. `pixels` are those of a frame that are rendered; None: all.

    Raises `JobRejected` with the first reason found: NOT_STILL, ENGINE, NO_RENDER_LAYER, NO_CAMERA,
    RESOLUTION, SAMPLES, MISSING_FILES, UNREPEATABLE.
    """
    _check_kind(inspection, limits)
    _check_size(inspection, limits)
    _check_effort(inspection, limits, pixels)
    _check_files(inspection)
    return SceneVerdict(header=header, inspection=inspection, warnings=tuple(_warnings(inspection)))


def with_still(verdict: SceneVerdict) -> SceneVerdict:
    """The verdict, with a warning if the one frame of a bare scene's job is outside the scene's range."""
    first, last = verdict.inspection.frame_start, verdict.inspection.frame_end
    if first <= STILL <= last:
        return verdict
    warning = (
        f"A job renders frame {STILL}, which is outside the scene's own range, {first} to {last}. Move what "
        f"is to be seen to frame {STILL}."
    )
    return replace(verdict, warnings=(*verdict.warnings, warning))


def _check_kind(inspection: SceneInspection, limits: SceneLimits) -> None:
    if inspection.uses_sequencer:
        raise JobRejected(
            Code.NOT_STILL,
            "The scene renders its video sequencer. Turn “Sequencer” off in Output, Post Processing.",
        )
    if inspection.output_is_movie:
        raise JobRejected(
            Code.NOT_STILL, "The scene's output is a movie. Choose an image format, such as PNG, in Output."
        )
    if inspection.engine not in limits.engines:
        raise JobRejected(
            Code.ENGINE,
            f"The scene uses the render engine “{printable(inspection.engine)}”; this worker renders "
            f"{', '.join(limits.engines)}.",
        )
    if not inspection.view_layers:
        raise JobRejected(
            Code.NO_RENDER_LAYER, "No view layer of the scene is used for rendering. Turn one on."
        )
    if not inspection.camera:
        raise JobRejected(
            Code.NO_CAMERA, f"The scene “{printable(inspection.scene)}” has no active camera. Set one."
        )


def _check_size(inspection: SceneInspection, limits: SceneLimits) -> None:
    width, height, samples = inspection.width, inspection.height, inspection.samples
    if width < 1 or height < 1 or width * height > limits.pixels:
        raise JobRejected(
            Code.RESOLUTION,
            f"The picture would have {width} × {height} pixels; 1 to {limits.pixels} in all are allowed. "
            "Change the resolution or its percentage.",
        )
    if not 0 <= samples <= limits.samples:
        raise JobRejected(
            Code.SAMPLES,
            f"The scene asks for {samples} samples; at most {limits.samples} are allowed. Lower them.",
        )


def _check_effort(inspection: SceneInspection, limits: SceneLimits, pixels: int | None) -> None:
    if limits.frame_samples is None or inspection.engine != "CYCLES":
        return
    pixels = inspection.width * inspection.height if pixels is None else pixels
    if pixels * inspection.samples > limits.frame_samples:
        raise JobRejected(
            Code.SAMPLES,
            f"A frame would take {pixels * inspection.samples / 1e9:.3g} billion samples ({pixels} pixels, "
            f"{inspection.samples} samples each), which is hopeless within this worker's time limit for a "
            f"frame (frame_seconds): at most {limits.frame_samples / 1e9:.3g} billion are tried. Lower the "
            "samples or the resolution.",
        )


def _check_files(inspection: SceneInspection) -> None:
    missing = [_name_of(file) for file in inspection.missing if file.used]
    if missing:
        raise JobRejected(
            Code.MISSING_FILES,
            f"The scene needs files that are not in it: {some_names(missing)}. "
            "Pack them (File, External Data, Pack Resources), bake what can be baked, and save.",
        )
    if inspection.unrepeatable:
        raise JobRejected(
            Code.UNREPEATABLE,
            f"Two renders of the scene would differ: {some_names(inspection.unrepeatable)}. "
            "Bake simulations; limit samples instead of time.",
        )


def _name_of(file: MissingFile) -> str:
    return f"{file.kind} {file.path or file.name}"


def _warnings(inspection: SceneInspection) -> Iterator[str]:
    if inspection.unlit:
        yield "Nothing gives light, and the world is black: the picture will be black. Add a light."
    if unused := [_name_of(file) for file in inspection.missing if not file.used]:
        yield f"These files are missing, but no picture needs them: {some_names(unused)}."
    if inspection.scripts:
        yield f"Scripts in the scene will not run: {some_names(inspection.scripts)}."
    if inspection.ignored:
        yield (
            f"These settings of the scene are turned off: {some_names(inspection.ignored)}. The whole "
            "picture is rendered, without them."
        )
    if inspection.risky:
        yield f"Nodes reach no file outside the scene: {some_names(inspection.risky)}."
    if inspection.has_cycle:
        yield (
            "Constraints or drivers depend on each other in a cycle: frames may differ from one machine to"
            " another, and no result is wrong for its pixels. Remove the cycle: Blender's console names it."
        )
    if outside := [path for path in inspection.outputs if _is_outside(path)]:
        yield f"The scene's own output paths are not used: {some_names(outside)}."


def _is_outside(path: str) -> bool:
    """Whether a path leads outside the scene's own folder, which Blender calls `//`."""
    if path in DEFAULT_OUTPUTS:
        return False
    parts = path.removeprefix("//").replace("\\", "/").split("/")
    return ".." in parts or parts[0] in {"", "~"} or parts[0][1:2] == ":"


def _clean(value: object) -> object:
    return printable(value, MOST_CHARACTERS) if isinstance(value, str) else value


# Cut and cleaned before validation: names in scenes need not be valid Unicode.
_Text = Annotated[str, BeforeValidator(_clean)]
_Texts = Annotated[list[_Text], FailFast(), Field(max_length=MOST_NAMES)]
_Count = Annotated[int, Field(ge=0, lt=2**31)]
_Frame = Annotated[int, Field(ge=-(2**31), lt=2**31)]


class _Checked(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class _Missing(_Checked):
    kind: _Text
    name: _Text
    path: _Text
    used: bool

    def file(self) -> MissingFile:
        return MissingFile(kind=self.kind, name=self.name, path=self.path, used=self.used)


class _Report(_Checked):
    blender: _Text
    scene: _Text
    engine: _Text
    width: _Count
    height: _Count
    samples: _Count
    frame_start: _Frame
    frame_end: _Frame
    camera: _Text
    view_layers: _Texts
    missing: Annotated[list[_Missing], FailFast(), Field(max_length=MOST_NAMES)]
    scripts: _Texts
    risky: _Texts
    outputs: _Texts
    unrepeatable: _Texts
    uses_sequencer: bool
    output_is_movie: bool
    objects: _Count
    unlit: bool
    cameras: _Texts
    all_view_layers: _Texts
    frames_per_second: Annotated[float, Field(gt=0, le=65_536, allow_inf_nan=False)]
    denoised_layers: _Texts
    ignored: _Texts
    changed_later: _Texts
    sees_region: _Texts
    has_cycle: bool
    varied: _Texts
    color_depth: _Count
    seed: Annotated[int, Field(ge=-(2**31), lt=2**31)] | None
    path_guiding: bool
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]

    def inspection(self) -> SceneInspection:
        return SceneInspection(
            blender=self.blender,
            scene=self.scene,
            engine=self.engine,
            width=self.width,
            height=self.height,
            samples=self.samples,
            frame_start=self.frame_start,
            frame_end=self.frame_end,
            camera=self.camera,
            view_layers=tuple(self.view_layers),
            missing=tuple(missing.file() for missing in self.missing),
            scripts=tuple(self.scripts),
            risky=tuple(self.risky),
            outputs=tuple(self.outputs),
            unrepeatable=tuple(self.unrepeatable),
            uses_sequencer=self.uses_sequencer,
            output_is_movie=self.output_is_movie,
            objects=self.objects,
            unlit=self.unlit,
            cameras=tuple(self.cameras),
            all_view_layers=tuple(self.all_view_layers),
            frames_per_second=self.frames_per_second,
            denoised_layers=tuple(self.denoised_layers),
            ignored=tuple(self.ignored),
            changed_later=tuple(self.changed_later),
            sees_region=tuple(self.sees_region),
            has_cycle=self.has_cycle,
            varied=tuple(self.varied),
            color_depth=self.color_depth,
            seed=self.seed,
            path_guiding=self.path_guiding,
            seconds=self.seconds,
        )
