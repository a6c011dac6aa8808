"""Facts about a scene: from its header, read without Blender, and from Blender's inspection."""

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
    """A Blender release line. A file fits a build if both numbers agree."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneHeader:
    """Facts read from the file itself, in one pass, without Blender."""

    version: BlenderVersion
    wrapping: Wrapping
    blocks: int
    unpacked_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingFile:
    """A file that the scene refers to but does not contain. `used`: whether rendered view layers need it."""

    kind: str
    name: str
    path: str
    used: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneInspection:
    """Blender's report on the scene, from inside the sandbox. A hostile scene can forge all of it.

    `width` and `height` are in pixels, after the resolution percentage. `scripts` lists text blocks, drivers
    and handlers that contain code; `risky` lists nodes and features that read, write or run something;
    `unrepeatable` lists what makes two renders differ; `outputs` lists the paths the scene would write to.
    `unlit`: nothing gives light, so that the picture must be black. `cameras` and `all_view_layers` are all
    that the scene has; `view_layers` are those that it renders, `denoised_layers` those that Cycles denoises.
    `ignored` lists settings that change the picture and are turned off for a render, `changed_later` what
    makes another picture of the engine's, such as Compositing. `sees_region` lists what may see which part of
    a picture is rendered, so that a part may render otherwise than the whole. `has_cycle`: constraints or
    drivers depend on each other, so that a frame may depend on those that were evaluated before.
    `varied` are those of `resolution` and `samples` that change with the frame or the view layer.
    `color_depth` is what the scene sets for its own format, in bits a channel.
    `seed` is that of Cycles, None if it is animated or another engine renders. `path_guiding`: Cycles learns
    from its own samples, so that a part of a picture renders otherwise than the whole.
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
    unlit: bool = False
    cameras: tuple[str, ...] = ()
    all_view_layers: tuple[str, ...] = ()
    frames_per_second: float = 24.0
    denoised_layers: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    changed_later: tuple[str, ...] = ()
    sees_region: tuple[str, ...] = ()
    has_cycle: bool = False
    varied: tuple[str, ...] = ()
    color_depth: int = 8
    seed: int | None = None
    path_guiding: bool = False
    seconds: float

    @property
    def denoises(self) -> bool:
        """Whether Cycles denoises the picture, or a layer of it."""
        return self.engine == "CYCLES" and not set(self.view_layers).isdisjoint(self.denoised_layers)

    @property
    def lost_scripts(self) -> tuple[str, ...]:
        """Those of `scripts` without which the picture is another one: drivers, and style modules.

        A text that runs on load, such as a rig's interface, draws nothing itself, and Cycles runs OSL.
        """
        return tuple(name for name in self.scripts if name.startswith(("driver of ", "Freestyle ")))


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneLimits:
    """The most that a scene may ask for. Samples are per pixel, and `frame_samples` those of a whole frame.

    None: a frame may take any number of samples.
    """

    file_bytes: int = 4 * 2**30
    bundle_bytes: int = 16 * 2**30
    unpacked_bytes: int = 16 * 2**30
    blocks: int = 20_000_000
    pixels: int = 64_000_000
    samples: int = 65_536
    frame_samples: int | None = None
    engines: tuple[str, ...] = ("CYCLES", "BLENDER_EEVEE_NEXT", "BLENDER_WORKBENCH")


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneVerdict:
    """The scene check's result: the facts, and warnings that do not prevent a render.

    A refused scene has no verdict: the check raises `JobRejected` with a code and a sentence.
    """

    header: SceneHeader
    inspection: SceneInspection
    warnings: tuple[str, ...]
