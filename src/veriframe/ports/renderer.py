"""The renderer: opens a scene, inspects it and renders its frames; and validates frames."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from veriframe.model.bundle.chunks import whole_region
from veriframe.model.rendering.frames import Frame, Progress, Region, RenderTask, ValidatedFrame
from veriframe.model.rendering.scene import BlenderVersion, SceneInspection


@dataclass(frozen=True, slots=True, kw_only=True)
class RendererFacts:
    """The renderer's Blender and sandbox. `program` is "bpy wheel" or "Blender executable".

    `has_two_kernels`: Cycles has two kernels for this processor, so that they show what rounding does.
    """

    program: str
    version: BlenderVersion
    version_text: str
    build_hash: str
    sandbox_level: str
    memory_held_by: str
    has_two_kernels: bool = True


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile of a split still: its file, the part of the picture that it shows, and what is kept of it."""

    file: Path
    shown: Region
    kept: Region


class Kernel(StrEnum):
    """Which of Cycles' kernels for processors renders: the best that this one has, or the oldest, SSE4.2."""

    BEST = "BEST"
    SSE = "SSE"


class CutKind(StrEnum):
    """What kind of file a cut is taken from.

    PNG, EXR and MULTILAYER are frames. RAW_PROOF is what a session leaves as `proof_file`, with all passes;
    PROOF is a published proof, of which the file's start and the chunks of the wanted tiles suffice. Of both,
    the noisy images of all layers are taken; RAW_GUIDES and GUIDES are the same files, of which the albedo
    and the normals are taken that the denoiser gets.
    """

    PNG = "PNG"
    EXR = "EXR"
    MULTILAYER = "MULTILAYER"
    RAW_PROOF = "RAW_PROOF"
    PROOF = "PROOF"
    RAW_GUIDES = "RAW_GUIDES"
    GUIDES = "GUIDES"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A part of a picture that is to be compared.

    `shown` is what the file shows of the whole picture, `wanted` the part of it that is taken; both are in
    pixels of the whole picture, whose width and height are `size`. A picture with layers has at most
    `most_channels`. `is_published`: of an EXR, the header says nothing but what pixels need. Raises
    `ValueError` for a part outside it.
    """

    file: Path
    kind: CutKind
    shown: Region
    wanted: Region
    size: tuple[int, int]
    most_channels: int = 1024
    is_published: bool = False

    def __post_init__(self) -> None:
        whole = whole_region(self.size)
        if not (whole.holds(self.shown) and self.shown.holds(self.wanted)):
            raise ValueError("a cut outside its picture")
        if self.kind in (CutKind.PROOF, CutKind.GUIDES) and self.shown != whole:
            raise ValueError("a published proof shows the whole picture")


@dataclass(frozen=True, slots=True, kw_only=True)
class CutSamples:
    """The samples of a cut, in the canonical form of the pixel digest.

    `leaf`, in hex, is the root over the tiles of the whole picture that `wanted` meets, each cut off at its
    edges, as docs/formats.md says: one tile's hash if it is one tile, the pixel digest if it is the whole
    picture. `channels` are the names in the digest's order, as a tile's header has them. `values` are
    float32, little-endian, of the shape (height, width, channels), with NaNs and infinities as they are;
    integers are divided by the largest of their kind.
    """

    leaf: str
    channels: tuple[str, ...]
    width: int
    height: int
    values: bytes


class RenderSession(Protocol):
    """One scene in one sandboxed Blender process. Everything it reports is untrusted until checked.

    One call at a time, but for `pause` and `resume`. After an error, or frames that were not taken to the
    end, the session is over.
    """

    @property
    @abstractmethod
    def is_over(self) -> bool:
        """Whether its process has ended. One that waits may be ended, for what it does meanwhile."""

    @property
    @abstractmethod
    def has_cycle(self) -> bool:
        """Whether Blender has told of a dependency cycle in the scene, until now.

        What it evaluates then depends on what it evaluated before.
        """

    @abstractmethod
    async def inspect(self) -> SceneInspection:
        """Inspect the scene. A second call returns the same.

        Raises `JobRejected` (CORRUPT if Blender cannot open it, or a limit's code), `HostUnavailable`.
        """

    @abstractmethod
    async def may_wait(self) -> bool:
        """Whether an inspected scene holds so little memory that it may stay open, frozen, until its turn."""

    @abstractmethod
    async def pause(self) -> None:
        """Stop what is under way, so that it uses no processor time. Only its lease still runs.

        Raises `HostUnavailable`.
        """

    @abstractmethod
    async def resume(self) -> None:
        """Let it go on."""

    @abstractmethod
    def frames(
        self,
        task: RenderTask,
        out: Path,
        *,
        lease_seconds: float = math.inf,
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> AsyncIterator[Frame]:
        """Render the task's frames in order. Yields each as soon as its file lies in `out`.

        `out` exists and may hold other files. Meanwhile Blender renders the next frame. If the task has a
        proof, it lies beside the frame, as `proof_file` names it. Raises `RenderFailed`
        with the outcome's code: a frame of another size than the task's is WRONG_SIZE, before its file is
        read; a render that the lease stops is LEASE, never TIMEOUT. Also `HostUnavailable`.
        """


class Renderer(Protocol):
    """Blender in a sandbox."""

    @property
    @abstractmethod
    def capacity(self) -> int:
        """How many renders may run at the same time."""

    @abstractmethod
    async def facts(self) -> RendererFacts:
        """Facts about this renderer. Raises `HostUnavailable` if it cannot start."""

    @abstractmethod
    async def machine_class(self) -> str:
        """Which machines render the same bits: those of the same class, as docs/formats.md says.

        Measured once, which takes seconds. Raises `HostUnavailable` if this machine cannot render.
        """

    @abstractmethod
    async def render_test_scene(self) -> None:
        """Render a small scene of our own. Raises `HostUnavailable` if this machine fails to."""

    @abstractmethod
    def open(
        self, scene: Path, folder: Path | None = None, kernel: Kernel = Kernel.BEST
    ) -> AbstractAsyncContextManager[RenderSession]:
        """Start Blender for one scene. Leaving the context ends every process and removes everything.

        `folder`: the bundle that the scene lies in, of which Blender may read every file; None: only the
        scene. `kernel`: what Cycles renders with. Entering it raises `HostUnavailable`.
        """

    @abstractmethod
    async def validate(
        self,
        task: RenderTask,
        frames: Sequence[Frame],
        out: Path,
        clean: Path,
        *,
        lease_seconds: float = math.inf,
    ) -> Sequence[ValidatedFrame]:
        """Decode frames in a clean sandbox and write them, stripped of metadata, to `clean`.

        `out` holds exactly these frames and, if the task has proofs, theirs; `clean` is new and empty. Beside
        each frame, `clean` then holds what the task has: `proof_file` and `tiles_file`, `thumbnail_file`.
        Many frames in one call are cheaper than one by one. A black frame is only reported. Raises
        `ValidationFailed`: NOT_IMAGE, WRONG_SIZE, NOT_FINITE, TAMPER, TIMEOUT, LEASE; `HostUnavailable`.
        """

    @abstractmethod
    async def merge(
        self, scene: Path, tiles: Sequence[Tile], task: RenderTask, out: Path, folder: Path | None = None
    ) -> Frame:
        """Merge the validated tiles of a split still of `scene`, bit for bit, and denoise them once.

        `task` is the whole still's: its only frame, its `size`, the format and the overrides of the bundle;
        it says whether to denoise, or the scene does. The frame lies in `out`, not validated yet. Raises
        `ValidationFailed` (NOT_IMAGE) if a tile is no such picture, `RenderFailed`, `HostUnavailable`.
        """

    @abstractmethod
    async def denoise(
        self, scene: Path, folder: Path | None, proof: Path, task: RenderTask, out: Path
    ) -> Frame:
        """Denoise a published proof of one layer again, with the settings of `scene`, and write the frame.

        `task` is the frame's: its only number, its whole `size`, its format and the overrides of the bundle.
        The frame lies in `out`, not validated yet. Raises `ValidationFailed` (NOT_IMAGE) if it is no such
        proof, `RenderFailed` (BLENDER_ERROR if a compositor or Freestyle changes the picture afterwards), and
        `HostUnavailable`.
        """

    @abstractmethod
    async def cut(self, cuts: Sequence[Cut]) -> Sequence[CutSamples]:
        """Decode parts of pictures in a clean sandbox, all in one run, in the order of `cuts`.

        The files may be hostile. Raises `ValidationFailed` (NOT_IMAGE, WRONG_SIZE, TIMEOUT) for the first
        that is no such picture, `RenderFailed` (OOM, OUTPUT_LIMIT, PIDS) if pictures of this size need more
        than the limits allow, `HostUnavailable`.
        """

    @abstractmethod
    async def contact_sheet(self, thumbnails: Sequence[Path], target: Path) -> None:
        """Write a JPEG of these thumbnails, in their order, to `target`, which is replaced.

        The same thumbnails give the same bytes. Raises `ValidationFailed` (NOT_IMAGE) if one is not a
        picture, `HostUnavailable`.
        """

    @abstractmethod
    async def close(self) -> None:
        """End what was started ahead. A closed renderer still opens scenes, but starts nothing ahead."""
