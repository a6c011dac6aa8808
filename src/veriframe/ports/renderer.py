"""The renderer: inspects a scene, renders its frames, and validates them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from veriframe.model.rendering.frames import Progress, Rendering, RenderTask, ValidatedFrame
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


class Renderer(Protocol):
    """Blender in a sandbox. Everything that it reports about a scene is untrusted until checked."""

    @abstractmethod
    async def facts(self) -> RendererFacts:
        """Facts about this renderer. Raises `HostUnavailable` if it cannot start."""

    @abstractmethod
    async def render_test_scene(self) -> None:
        """Render a small scene of our own. Raises `HostUnavailable` if this machine fails to."""

    @abstractmethod
    async def inspect(self, scene: Path) -> SceneInspection:
        """Inspect a scene with Blender. Raises `JobRejected` (CORRUPT) if it cannot be opened."""

    @abstractmethod
    async def render(
        self, scene: Path, task: RenderTask, out: Path, on_progress: Callable[[Progress], None]
    ) -> Rendering:
        """Render into `out`, a new and empty folder. Raises `RenderFailed` with the outcome's code.

        A frame of another size than the task's is WRONG_SIZE, before its file is read. A render that the
        lease stops is LEASE, never TIMEOUT.
        """

    @abstractmethod
    async def validate(
        self, scene: Path, task: RenderTask, rendering: Rendering, out: Path, clean: Path
    ) -> Sequence[ValidatedFrame]:
        """Decode the frames in `out` in a clean sandbox; write them, stripped of metadata, to `clean`.

        A black frame is rendered again, small, in a new process; it is legitimate if it is black again.
        Everything ends within the task's `lease_seconds`. Raises `ValidationFailed`: NOT_IMAGE, WRONG_SIZE,
        NOT_FINITE, BLACK, TAMPER, TIMEOUT, LEASE; for a black frame also what `render` raises.
        """
