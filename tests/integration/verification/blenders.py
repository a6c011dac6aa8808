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
from tests.integration.verification.setups import Change, OtherProgram

from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox
from veriframe.model.rendering.frames import RenderLimits
from veriframe.model.rendering.scene import BlenderVersion
from veriframe.ports.renderer import RendererFacts

OLDER, NEXT = "4.5.0", "5.0.1"
"""The first build of our release, and the newest of the next one."""

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "veriframe" / "blender"
LIMIT_SECONDS = 1800

_PROOF = '        image.file_format, image.color_depth, image.exr_codec = "OPEN_EXR_MULTILAYER"'
_OWN = "        image.file_format, image.color_depth, image.color_mode, image.exr_codec = own"
FOR_NEXT = (
    (_PROOF, f'        image.media_type = "MULTI_LAYER_IMAGE"\n{_PROOF}'),
    (_OWN, f'        image.media_type = "IMAGE"\n{_OWN}'),
)
"""What a worker must change in our program, so that it runs in the next release."""


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


class OtherBlender(OtherProgram):
    """The worker's Python with another `bpy`, which covers its own, and scripts that are changed for it."""

    def __init__(self, version: str, *changes: Change) -> None:
        super().__init__(*changes)
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


def pretending() -> LabRenderer:
    """A renderer with the next release, which denies it."""
    return Pretender(OtherBlender(NEXT, *FOR_NEXT), BubblewrapSandbox(), limits=RenderLimits())
