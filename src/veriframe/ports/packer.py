"""The packer: finds the files that a `.blend` names, and gives it other paths, in the sandbox."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from veriframe.model.bundle.travel import NamedFile
from veriframe.ports.renderer import RenderSession


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneFiles:
    """What a `.blend` names, with what it links: files by their absolute paths, and other obstacles.

    `unknown` are paths of no known kind. `machine` are settings that depend on the artist's machine, such as
    add-ons. All of it is as untrusted as the scene.
    """

    files: tuple[NamedFile, ...]
    unknown: tuple[str, ...] = ()
    machine: tuple[str, ...] = ()


class ScenePacker(Protocol):
    """Blender in a sandbox, for scenes on their way into a bundle. Never writes beside a scene."""

    @abstractmethod
    async def files(self, scene: Path, libraries: Mapping[str, Path]) -> SceneFiles:
        """What the scene names. `libraries` are visible at these absolute paths; no other file is.

        Raises `JobRejected` (CORRUPT, or a limit's code), `HostUnavailable`.
        """

    @abstractmethod
    async def rewrite(
        self, scene: Path, libraries: Mapping[str, Path], paths: Mapping[str, str], place: str, target: Path
    ) -> None:
        """Save the `.blend` to `target` with other paths, and with its bakes of geometry nodes in it.

        `paths` maps absolute paths to those within the bundle; all others become names without a folder.
        `place` is the path within the bundle of the file itself. The same inputs make the same bytes. Raises
        as `files`.
        """

    @abstractmethod
    def original(self, scene: Path, files: Mapping[str, Path]) -> AbstractAsyncContextManager[RenderSession]:
        """A session with the scene where it lies, and with these files visible at their absolute paths.

        Entering it raises `HostUnavailable`.
        """
