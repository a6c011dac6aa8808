"""`job.json`: what a bundle asks for. Parsed strictly, since its author may be hostile."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from veriframe.errors import Code, JobRejected
from veriframe.model.content.folder import FolderLimits, check_path
from veriframe.model.others_json import first_fault, read_json
from veriframe.model.rendering.frames import ImageFormat, format_frames, parse_frames
from veriframe.model.rendering.overrides import PASSES, Overrides
from veriframe.model.text import printable

FILE_NAME = "job.json"
MOST_BYTES = 2**16
"""The longest `job.json`."""

MOST_CHUNK_FRAMES = 1000
SIDE_MIN_PIXELS = 4
SIDE_MAX_PIXELS = 65_536
_PATH_LIMITS = FolderLimits(size_bytes=0)


DEPTHS = {
    ImageFormat.PNG: (8, 16),
    ImageFormat.EXR: (16, 32),
    ImageFormat.MULTILAYER: (16, 32),
}
"""The colour depths of each format, in bits a channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A still that is cut into columns × rows, one for each job.

    `only` are the tiles that are rendered, counted from 0 at the top left by rows; empty for all.
    """

    columns: int
    rows: int
    only: tuple[int, ...] = ()

    @property
    def tiles(self) -> int:
        """How many the whole still has."""
        return self.columns * self.rows

    @property
    def rendered(self) -> tuple[int, ...]:
        """The tiles that are rendered, in the order of their jobs."""
        return self.only or tuple(range(self.tiles))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle's description: the scene within its folder, and what to render of it.

    `blender` is the release line, such as "4.5". `chunk` is the number of frames for each job.
    `frame_seconds` and `memory_bytes` are what the creator expects at the most, None if nothing is said.
    `classes` are the classes of machine that the creator accepts, empty for any. `proof_tiles` is how many
    tiles of a frame the creator means to check, 0 if no proof is wanted.
    """

    scene: str
    blender: str
    frames: tuple[int, ...] = (1,)
    chunk: int = 1
    overrides: Overrides = field(default_factory=Overrides)
    format: ImageFormat = ImageFormat.PNG
    classes: tuple[str, ...] = ()
    frame_seconds: float | None = None
    memory_bytes: int | None = None
    proof_tiles: int = 4
    split: Split | None = None


def parse_job_file(content: bytes) -> Bundle:
    """Parse `job.json`. Raises `JobRejected`: BAD_BUNDLE with the key at fault, FRAME_RANGE."""
    if len(content) > MOST_BYTES:
        raise _bad(f"it is longer than {MOST_BYTES} bytes")
    try:
        found = _JobFile.model_validate(read_json(content))
    except ValidationError as error:
        raise _bad(printable(first_fault(error), 300)) from None
    except (ValueError, RecursionError) as error:
        raise _bad(f"it is not JSON: {printable(str(error), 200)}") from None
    return found.bundle()


def write_job_file(bundle: Bundle) -> bytes:
    """The content of `job.json`: the same bytes for equal bundles."""
    asked = bundle.overrides
    output: dict[str, Any] = {"format": bundle.format.value}
    if asked.color_depth is not None:
        output["color_depth"] = asked.color_depth
    if asked.passes:
        output["passes"] = list(asked.passes)
    content: dict[str, Any] = {
        "veriframe": 1,
        "scene": bundle.scene,
        "blender": bundle.blender,
        "frames": format_frames(bundle.frames),
        "chunk": bundle.chunk,
        "camera": asked.camera,
        "view_layer": asked.view_layer,
        "engine": asked.engine,
        "resolution": None if asked.resolution is None else list(asked.resolution),
        "samples": asked.samples,
        "seed": asked.seed,
        "denoise": asked.denoise,
        "output": output,
        "class": list(bundle.classes) or "any",
        "limits": {
            name: value
            for name, value in (
                ("frame_seconds", bundle.frame_seconds),
                ("memory_bytes", bundle.memory_bytes),
            )
            if value is not None
        },
        "verify": {"tiles": bundle.proof_tiles} if bundle.proof_tiles else None,
        "split": None if bundle.split is None else _split_content(bundle.split),
    }
    kept = {name: value for name, value in content.items() if value is not None or name == "verify"}
    return json.dumps(kept, indent=2, ensure_ascii=True).encode("ascii") + b"\n"


def _split_content(split: Split) -> dict[str, Any]:
    tiles: dict[str, Any] = {"tiles": [split.columns, split.rows]}
    return {**tiles, "only": list(split.only)} if split.only else tiles


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of `job.json`."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_JobFile.model_json_schema()}


def _bad(why: str) -> JobRejected:
    return JobRejected(
        Code.BAD_BUNDLE, f"The bundle's job.json cannot be used: {why}. Pack it with: veriframe job pack."
    )


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


_Name = Annotated[str, Field(min_length=1, max_length=255)]
_MOST_CLASSES = 100
_Side = Annotated[int, Field(ge=SIDE_MIN_PIXELS, le=SIDE_MAX_PIXELS)]
_Engine = Literal["CYCLES", "BLENDER_EEVEE", "BLENDER_EEVEE_NEXT", "BLENDER_WORKBENCH"]
ENGINES: tuple[str, ...] = get_args(_Engine)


class _Output(_Strict):
    format: Literal["PNG", "OPEN_EXR", "OPEN_EXR_MULTILAYER"] = "PNG"
    color_depth: Literal[8, 16, 32] | None = None
    passes: Annotated[list[Literal[PASSES]], Field(max_length=len(PASSES))] = []  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _fit(self) -> Self:
        depths = DEPTHS[ImageFormat(self.format)]
        if self.color_depth is not None and self.color_depth not in depths:
            raise ValueError(f"{self.format} has a color_depth of {depths[0]} or {depths[1]}")
        if self.passes and self.format != "OPEN_EXR_MULTILAYER":
            raise ValueError("passes need the format OPEN_EXR_MULTILAYER")
        if len(set(self.passes)) != len(self.passes):
            raise ValueError("a pass is named twice")
        return self


class _Limits(_Strict):
    frame_seconds: Annotated[float, Field(gt=0, le=7 * 86400)] | None = None
    memory_bytes: Annotated[int, Field(ge=2**20, le=2**50)] | None = None


class _Verify(_Strict):
    tiles: Annotated[int, Field(ge=1, le=1024)]


_Tile = Annotated[int, Field(ge=0, lt=1024)]


class _Split(_Strict):
    tiles: Annotated[list[Annotated[int, Field(ge=1, le=32)]], Field(min_length=2, max_length=2)]
    """Columns and rows."""
    only: Annotated[list[_Tile], Field(min_length=1, max_length=1024)] | None = None
    """The tiles that are rendered, counted from 0 at the top left by rows; all if it is left out."""

    @model_validator(mode="after")
    def _fit(self) -> Self:
        only = self.only or []
        if only != sorted(set(only)) or (only and only[-1] >= self.tiles[0] * self.tiles[1]):
            raise ValueError("only names tiles of the still, each once, in order")
        return self

    def value(self) -> Split:
        return Split(columns=self.tiles[0], rows=self.tiles[1], only=tuple(self.only or ()))


def _class_form(found: object) -> object:
    """Refuse in our words what the union refuses in a parser's."""
    names = found if isinstance(found, list) else []
    fits = all(isinstance(name, str) and 1 <= len(name) <= 255 for name in names)
    if found == "any" or (fits and 1 <= len(names) <= _MOST_CLASSES):
        return found
    raise PydanticCustomError(
        "class_form",
        'it is "any", or a list of at most 100 classes, such as ["4.5.15-5afeabba6097-CPU-972366066d97bc1c"];'
        " veriframe doctor shows the class of a machine, and veriframe order show that of an order",
    )


class _JobFile(_Strict):
    """What a bundle asks for."""

    model_config = ConfigDict(title="VeriFrame job.json")

    veriframe: Literal[1]
    scene: Annotated[str, Field(min_length=7, max_length=1024)]
    blender: Annotated[str, Field(pattern=r"^[0-9]{1,2}\.[0-9]{1,2}$")]
    frames: Annotated[str, Field(min_length=1, max_length=20_000)] = "1"
    chunk: Annotated[int, Field(ge=1, le=MOST_CHUNK_FRAMES)] = 1
    camera: _Name | None = None
    view_layer: _Name | None = None
    engine: _Engine | None = None
    resolution: Annotated[list[_Side], Field(min_length=2, max_length=2)] | None = None
    samples: Annotated[int, Field(ge=1, le=2**24)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    denoise: bool | None = None
    output: _Output = _Output()
    classes: Annotated[
        Literal["any"] | Annotated[list[_Name], Field(min_length=1, max_length=_MOST_CLASSES)],
        BeforeValidator(_class_form),
        Field(alias="class"),
    ] = "any"
    limits: _Limits = _Limits()
    verify: _Verify | None = _Verify(tiles=4)
    split: _Split | None = None

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if self.split is None:
            return self
        if self.denoise or self.output.passes or self.output.format == "OPEN_EXR_MULTILAYER":
            raise ValueError("a split still is denoised after merging, and has no passes")
        return self

    def bundle(self) -> Bundle:
        """The same in the model's words. Raises `JobRejected`."""
        _check_scene(self.scene)
        frames = parse_frames(self.frames)
        if self.split and len(frames) != 1:
            raise _bad("a split needs exactly one frame")
        return Bundle(
            scene=self.scene,
            blender=self.blender,
            frames=frames,
            chunk=self.chunk,
            overrides=Overrides(
                camera=self.camera,
                view_layer=self.view_layer,
                engine=self.engine,
                resolution=None if self.resolution is None else (self.resolution[0], self.resolution[1]),
                samples=self.samples,
                seed=self.seed,
                denoise=self.denoise,
                color_depth=self.output.color_depth,
                passes=tuple(self.output.passes),
            ),
            format=ImageFormat(self.output.format),
            classes=() if isinstance(self.classes, str) else tuple(self.classes),
            frame_seconds=self.limits.frame_seconds,
            memory_bytes=self.limits.memory_bytes,
            proof_tiles=self.verify.tiles if self.verify else 0,
            split=self.split.value() if self.split else None,
        )


def _check_scene(path: str) -> None:
    names = path.split("/")
    for depth in range(1, len(names) + 1):
        check_path("/".join(names[:depth]), _PATH_LIMITS)
    if not path.endswith(".blend"):
        raise _bad("scene: it must end with .blend")
