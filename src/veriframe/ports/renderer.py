"""The renderer: opens a scene, inspects it and renders its frames; and validates frames."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from veriframe.model.rendering.frames import Frame, Progress, Region, RenderTask, ValidatedFrame
from veriframe.model.rendering.scene import BlenderVersion, SceneInspection


@dataclass(frozen=True, slots=True, kw_only=True)
class RendererFacts:
    """The renderer's Blender and sandbox. `program` is "bpy wheel" or "Blender executable"."""

    program: str
    version: BlenderVersion
    version_text: str
    build_hash: str
    sandbox_level: str
    memory_held_by: str


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile of a split still: its file, the part of the picture that it shows, and what is kept of it."""

    file: Path
    shown: Region
    kept: Region


class RenderSession(Protocol):
    """One scene in one sandboxed Blender process. Everything it reports is untrusted until checked.

    One call at a time, but for `pause` and `resume`. After an error, or frames that were not taken to the
    end, the session is over.
    """

    @property
    @abstractmethod
    def is_over(self) -> bool:
        """Whether its process has ended. One that waits may be ended, for what it does meanwhile."""

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
    async def render_test_scene(self) -> None:
        """Render a small scene of our own. Raises `HostUnavailable` if this machine fails to."""

    @abstractmethod
    def open(self, scene: Path, folder: Path | None = None) -> AbstractAsyncContextManager[RenderSession]:
        """Start Blender for one scene. Leaving the context ends every process and removes everything.

        `folder`: the bundle that the scene lies in, of which Blender may read every file; None: only the
        scene. Entering it raises `HostUnavailable`.
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
    async def contact_sheet(self, thumbnails: Sequence[Path], target: Path) -> None:
        """Write a JPEG of these thumbnails, in their order, to `target`, which is replaced.

        The same thumbnails give the same bytes. Raises `ValidationFailed` (NOT_IMAGE) if one is not a
        picture, `HostUnavailable`.
        """

    @abstractmethod
    async def close(self) -> None:
        """End what was started ahead. A closed renderer still opens scenes, but starts nothing ahead."""
