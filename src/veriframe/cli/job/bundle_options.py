"""The options that say what is rendered of a scene: of a bundle, and of an order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from veriframe.errors import SettingsError
from veriframe.model.bundle.job_file import Split
from veriframe.model.bundle.options import BundleOptions, frames_option
from veriframe.model.rendering.frames import ImageFormat
from veriframe.model.rendering.overrides import PASSES, Overrides


class Engine(StrEnum):
    """Blender's engines, as people call them."""

    CYCLES = "cycles"
    EEVEE = "eevee"
    WORKBENCH = "workbench"

    @property
    def identifier(self) -> str:
        """Blender's own name, of the release line that is rendered with."""
        return {"cycles": "CYCLES", "eevee": "BLENDER_EEVEE_NEXT", "workbench": "BLENDER_WORKBENCH"}[self]


class Format(StrEnum):
    """File formats of frames, as people call them: PNG, EXR, and EXR with passes."""

    PNG = "png"
    EXR = "exr"
    MULTILAYER = "multilayer"

    @property
    def value_in_blender(self) -> ImageFormat:
        """The same by Blender's name."""
        return ImageFormat[self.name]


Frames = Annotated[str | None, typer.Option(help="Such as 1-250 or 1-10,15,20-40x2. [default: the scene's]")]
Chunk = Annotated[
    int | None, typer.Option(min=1, max=1000, help="Frames for each job. [default: as estimated]")
]
Camera = Annotated[str | None, typer.Option(help="Another camera than the scene's.")]
ViewLayer = Annotated[str | None, typer.Option(help="Only this view layer.")]
EngineOption = Annotated[Engine | None, typer.Option("--engine", help="Another engine than the scene's.")]
Resolution = Annotated[str | None, typer.Option(metavar="WxH", help="In pixels, such as 1920x1080.")]
Samples = Annotated[int | None, typer.Option(min=1, max=2**24, help="Samples for each pixel.")]
Seed = Annotated[int | None, typer.Option(min=0, max=2**31 - 1, help="The seed of Cycles.")]
Denoise = Annotated[bool | None, typer.Option("--denoise/--no-denoise", help="Of Cycles.")]
FormatOption = Annotated[Format, typer.Option("--format", help="File format of the frames.")]
Depth = Annotated[int | None, typer.Option(help="Bits a channel: 8 or 16 in PNG, 16 or 32 in EXR.")]
Passes = Annotated[
    list[str] | None,
    typer.Option("--pass", metavar="NAME", help=f"With multilayer; may be repeated: {', '.join(PASSES)}."),
]
ProofTiles = Annotated[
    int, typer.Option(min=0, max=1024, help="Tiles of a frame that you may check; 0: no proof is made.")
]
FrameLimit = Annotated[float | None, typer.Option(min=0.1, help="The most seconds for a frame.")]
Tiles = Annotated[str | None, typer.Option(metavar="CxR", help="Split a still over jobs, such as 2x2.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The options as given."""

    frames: str | None = None
    chunk: int | None = None
    camera: str | None = None
    view_layer: str | None = None
    engine: Engine | None = None
    resolution: str | None = None
    samples: int | None = None
    seed: int | None = None
    denoise: bool | None = None
    image_format: Format = Format.PNG
    depth: int | None = None
    passes: list[str] | None = None
    proof_tiles: int = 4
    frame_seconds: float | None = None
    tiles: str | None = None

    def options(self) -> BundleOptions:
        """The same in the model's words. Raises `SettingsError`."""
        resolution = _pair("--resolution", self.resolution, "1920x1080")
        split = _pair("--tiles", self.tiles, "2x2")
        return BundleOptions(
            frames=None if self.frames is None else frames_option("--frames", self.frames),
            chunk=self.chunk,
            overrides=Overrides(
                camera=self.camera,
                view_layer=self.view_layer,
                engine=None if self.engine is None else self.engine.identifier,
                resolution=resolution,
                samples=self.samples,
                seed=self.seed,
                denoise=self.denoise,
                color_depth=self.depth,
                passes=tuple(self.passes or ()),
            ),
            format=self.image_format.value_in_blender,
            frame_seconds=self.frame_seconds,
            proof_tiles=self.proof_tiles,
            split=None if split is None else Split(columns=split[0], rows=split[1]),
        )


def _pair(option: str, text: str | None, example: str) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,5})[x×](\d{1,5})", text)
    if found is None:
        raise SettingsError(f"{option} {text} cannot be used. Write it as {example}.")
    return int(found[1]), int(found[2])
