"""Other releases of Blender, as bpy wheels in folders of the user's cache, and renderers with them."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from tests.integration.verification.lab import LabRenderer

from veriframe.adapters.blender import runtimes
from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox
from veriframe.model.rendering.frames import RenderLimits
from veriframe.model.rendering.scene import BlenderVersion
from veriframe.ports.renderer import RendererFacts

OLDER, NEXT = "4.5.0", "5.0.1"
"""The first build of our release, and the newest of the next one."""

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "veriframe" / "blender"
LIMIT_SECONDS = 1800


def installed(version: str) -> Path:
    """The package `bpy` of a release. If it is not there, pip installs it: a download of 350 MB."""
    folder = CACHE / f"bpy-{version}"
    if not folder.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as beside:
            target = Path(beside) / "target"
            pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile")
            command = [*pip, "--target", str(target), f"bpy=={version}"]
            subprocess.run(command, check=True, timeout=LIMIT_SECONDS)
            if not folder.is_dir():  # another process may have been faster
                target.rename(folder)
    return folder / "bpy"


class OtherBlender(runtimes.BpyWheel):
    """The worker's Python with another `bpy`, which covers its own."""

    def __init__(self, version: str) -> None:
        self.package = installed(version)

    def visible(self) -> Mapping[PurePosixPath, Path]:
        """As ever, but for one folder."""
        shown = dict(super().visible())
        (python,) = (inside for inside, there in shown.items() if there == Path(sys.prefix))
        found = importlib.util.find_spec("bpy")
        assert found is not None
        assert found.origin is not None
        own = Path(found.origin).parent.relative_to(sys.prefix)
        return {**shown, python / own: self.package}


class Pretender(LabRenderer):
    """Another release, which says that it is 4.5."""

    async def facts(self) -> RendererFacts:
        """With another number."""
        return replace(await super().facts(), version=BlenderVersion(4, 5))


def with_blender(version: str) -> LabRenderer:
    """A renderer with this release."""
    return LabRenderer(OtherBlender(version), BubblewrapSandbox(), limits=RenderLimits())


def pretending(version: str) -> LabRenderer:
    """A renderer with this release, which denies it."""
    return Pretender(OtherBlender(version), BubblewrapSandbox(), limits=RenderLimits())
