"""Fixtures of the end-to-end tests: a light real scene, and the command line in a home of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pytest
from tests.e2e.embedded import Embedded

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("veriframe")

LIGHT_SCENE = """
import os, sys
import bpy
bpy.ops.wm.read_factory_settings(use_empty=False)
scene = bpy.context.scene
scene.render.engine = "CYCLES"
scene.cycles.device, scene.cycles.samples, scene.cycles.use_denoising = "CPU", 4, False
scene.render.resolution_x, scene.render.resolution_y = 96, 54
bpy.data.objects["Cube"].keyframe_insert("location", frame=1)
bpy.data.objects["Cube"].location.z = 1.0
bpy.data.objects["Cube"].keyframe_insert("location", frame=8)
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[1], compress=True)
os._exit(0)
"""


@dataclass(frozen=True)
class Home:
    """A home folder, and commands that run in it."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """A minimal shell environment with the home folder."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return {**kept, "VERIFRAME_HOME": str(self.folder), "VERIFRAME_DISK_FREE_BYTES": "1MB"}

    def run(
        self,
        *arguments: str | Path,
        timeout: float = 240,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return self.run_as([COMMAND, *arguments], environment, timeout=timeout)

    def run_as(
        self,
        command: Sequence[str | Path],
        environment: Mapping[str, str] = MappingProxyType({}),
        *,
        timeout: float = 240,
    ) -> subprocess.CompletedProcess[str]:
        """Run any program to its end."""
        return subprocess.run(
            command,
            env={**self.environment, **environment},
            cwd=self.folder,
            text=True,
            capture_output=True,
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
        )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A new home."""
    folder = tmp_path / "home"
    folder.mkdir()
    return Home(folder)


@pytest.fixture(scope="session")
def light_scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default cube at 96×54 pixels, animated, made by a real Blender."""
    scene = tmp_path_factory.mktemp("scenes") / "light.blend"
    subprocess.run([sys.executable, "-c", LIGHT_SCENE, scene], check=True, timeout=120, capture_output=True)
    return scene


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Embedded]:
    """An embedded system in a home of its own, with workers as processes."""
    made = Embedded(tmp_path)
    yield made
    made.end()
