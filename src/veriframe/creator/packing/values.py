"""What packing finds and makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from veriframe.model.bundle.job_file import Bundle
from veriframe.model.bundle.travel import Kind
from veriframe.model.rendering.scene import SceneHeader, SceneVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenFile:
    """A file that goes into the bundle: its path as it is named, where links lead, and its place there.

    An empty place: it becomes a part of the scene. `is_outside`: it lies neither in the scene's folder nor
    below, so that its owner may not expect it to be published. `is_collected`: the scene does not name it,
    but its folder, or a sequence or tiles that it belongs to.
    """

    kind: Kind
    source: Path
    real: Path
    place: str
    size_bytes: int
    is_outside: bool
    is_collected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Something that cannot travel: what it is, why, and the remedy. `is_used`: a picture may need it."""

    what: str
    why: str
    remedy: str
    is_used: bool = True

    @property
    def sentence(self) -> str:
        """All three."""
        return f"{self.what}: {self.why}. {self.remedy}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A scene and all that it needs, before anything is written.

    `libraries` maps paths as scenes name them to the files there. `paths` maps every named path, of a file or
    a folder, to its place in the bundle.
    """

    scene: Path
    header: SceneHeader
    files: tuple[TakenFile, ...]
    libraries: Mapping[str, Path]
    paths: Mapping[str, str]
    left_out: tuple[LeftOut, ...]

    @property
    def outside(self) -> tuple[TakenFile, ...]:
        """The files from outside the scene's folder."""
        return tuple(file for file in self.files if file.is_outside)

    @property
    def collected(self) -> tuple[TakenFile, ...]:
        """The files that no scene names by themselves."""
        return tuple(file for file in self.files if file.is_collected)

    @property
    def blends(self) -> Mapping[str, Path]:
        """The scene and its libraries, by the paths that scenes name."""
        return {str(self.scene): self.scene, **self.libraries}

    @property
    def within(self) -> Mapping[str, Path]:
        """The files that become parts of scenes, by the paths that those name."""
        return {str(file.source): file.source for file in self.files if not file.place}

    @property
    def place(self) -> str:
        """The scene's place in the bundle."""
        return self.paths[str(self.scene)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A bundle on the disk. `verdict` is of its scene, with the bundle's settings, seen in the sandbox.

    `chunk_is_given`: the creator chose the bundle's chunk. `traces` are paths of this machine that are still
    in a file, as `PLACE: PATH`, such as in an annotation, or in what an export wrote about itself. `outside`
    are the paths of files that came from outside the scene's folder, `collected` of those that no scene names
    by themselves.
    """

    folder: Path
    bundle: Bundle
    chunk_is_given: bool
    verdict: SceneVerdict
    files: int
    size_bytes: int
    left_out: tuple[LeftOut, ...]
    traces: tuple[str, ...]
    outside: tuple[str, ...] = ()
    collected: tuple[str, ...] = ()

    @property
    def scene(self) -> Path:
        """The scene's file."""
        return self.folder / self.bundle.scene


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A small render of the bundle beside one of the original.

    `difference` is empty if their pixels are equal. `lacking` names what the scene uses and neither render
    had, because it could not travel: then equal pixels tell nothing of the artist's own files. `not_run`
    names scripts, and drivers with code, that ran for neither: what they do at the artist's is not seen.
    """

    frame: int
    width: int
    height: int
    difference: str
    lacking: str = ""
    not_run: str = ""

    @property
    def is_equal(self) -> bool:
        """Whether every pixel is equal, with all files that the scene uses."""
        return not self.difference and not self.lacking
