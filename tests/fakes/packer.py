"""A fake packer: each `.blend` names what `listings` says, and is saved as its own bytes with the plan."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from veriframe.model.bundle.travel import NamedFile
from veriframe.ports.packer import SceneFiles, ScenePacker
from veriframe.ports.renderer import Renderer, RenderSession


@dataclass
class FakePacker(ScenePacker):
    """`listings` maps a `.blend` to what it names; a library's own names appear once it is visible."""

    renderer: Renderer
    listings: dict[str, tuple[NamedFile, ...]] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    machine: tuple[str, ...] = ()
    plans: list[Mapping[str, str]] = field(default_factory=list)
    shown: list[Mapping[str, Path]] = field(default_factory=list)

    async def files(self, scene: Path, libraries: Mapping[str, Path]) -> SceneFiles:
        """What the scene and the libraries name."""
        self.shown.append(dict(libraries))
        named = [file for path in (str(scene), *libraries) for file in self.listings.get(path, ())]
        return SceneFiles(files=tuple(named), unknown=self.unknown, machine=self.machine)

    async def rewrite(
        self, scene: Path, libraries: Mapping[str, Path], paths: Mapping[str, str], place: str, target: Path
    ) -> None:
        """The scene's own bytes, and the places of its files."""
        self.plans.append(paths)
        _save(scene, target, json.dumps(sorted(paths.values())))

    @asynccontextmanager
    async def original(self, scene: Path, files: Mapping[str, Path]) -> AsyncIterator[RenderSession]:
        """A session of the fake renderer."""
        async with self.renderer.open(scene) as session:
            yield session


def _save(scene: Path, target: Path, places: str) -> None:
    target.write_bytes(scene.read_bytes() + places.encode())
