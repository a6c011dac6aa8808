"""What is known of a scene: from its header without Blender, and from Blender's inspection of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Wrapping(StrEnum):
    """How a `.blend` is compressed as a whole."""

    PLAIN = "plain"
    ZSTD = "zstd"
    GZIP = "gzip"


@dataclass(frozen=True, slots=True)
class BlenderVersion:
    """A Blender release line. Files and builds fit when both numbers agree."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneHeader:
    """What the gate read from the file itself, in one pass, without Blender."""

    version: BlenderVersion
    wrapping: Wrapping
    blocks: int
    unpacked_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingFile:
    """A file that the scene names and that is not packed into it. `used` by the rendered view layers."""

    kind: str
    name: str
    path: str
    used: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneInspection:
    """What Blender found in the scene, inside the sandbox. A hostile scene can make any of it up.

    `width` and `height` are pixels after the resolution percentage. `scripts` names text blocks,
    drivers and handlers that carry code; `risky` names nodes and features that read, write or run
    something; `unrepeatable` what makes two renders differ; `outputs` the paths it would write to.
    """

    blender: str
    scene: str
    engine: str
    width: int
    height: int
    samples: int
    frame_start: int
    frame_end: int
    camera: str
    view_layers: tuple[str, ...]
    missing: tuple[MissingFile, ...]
    scripts: tuple[str, ...]
    risky: tuple[str, ...]
    outputs: tuple[str, ...]
    unrepeatable: tuple[str, ...]
    uses_sequencer: bool
    output_is_movie: bool
    objects: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneLimits:
    """What a scene may ask for before it is refused. Samples are per pixel."""

    file_bytes: int = 4 * 2**30
    unpacked_bytes: int = 16 * 2**30
    blocks: int = 20_000_000
    pixels: int = 64_000_000
    samples: int = 65_536
    engines: tuple[str, ...] = ("CYCLES", "BLENDER_EEVEE_NEXT", "BLENDER_WORKBENCH")


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneVerdict:
    """The gate's answer: the facts, and warnings that do not stop a render.

    A scene that is refused has no verdict: the gate raises `JobRejected` with code and sentence.
    """

    header: SceneHeader
    inspection: SceneInspection
    warnings: tuple[str, ...]
