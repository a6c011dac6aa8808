"""The example scenes: their scripts run in the installed Blender and make the documented scenes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from veriframe.model.rendering.checks import read_header
from veriframe.model.rendering.scene import BlenderVersion, SceneLimits, Wrapping

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py") if "studio.make(build)" in path.read_text("utf-8"))


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs a script of the examples from the command line."""
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a folder in which `make_all.py` has made every scene."""
    folder = tmp_path_factory.mktemp("scenes") / "not there yet"
    done = run(EXAMPLES / "make_all.py", folder)
    assert done.stderr == ""
    assert done.returncode == 0
    return folder


def test_make_all_skips_nothing_and_leaves_nothing_else(made: Path) -> None:
    """Every script's scene is in the folder, and there is no other file."""
    assert len(NAMES) >= 7
    assert [f"{name}.blend" for name in NAMES] == sorted(path.name for path in made.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_the_scene_check_accepts_the_scene_s_header(made: Path, name: str) -> None:
    """Each file is a compressed scene of Blender 4.5, small, and readable by the scene check."""
    scene = made / f"{name}.blend"
    with scene.open("rb") as stream:
        header = read_header(stream, SceneLimits())
    assert (BlenderVersion(4, 5), Wrapping.ZSTD) == (header.version, header.wrapping)
    assert scene.stat().st_size < 4_000_000


def test_a_scene_that_cannot_be_written_is_a_failure(tmp_path: Path) -> None:
    """A script that cannot write its scene ends soon, with a non-zero exit code."""
    (tmp_path / "file").touch()
    assert run(EXAMPLES / "volume.py", tmp_path / "file" / "volume.blend").returncode != 0


def test_make_all_stops_at_the_first_failure(tmp_path: Path) -> None:
    """`make_all.py` reports which script failed, and fails itself."""
    copy = shutil.copytree(EXAMPLES, tmp_path / "examples")
    (copy / "textures.py").write_text("raise SystemExit(3)\n", "utf-8")
    done = run(copy / "make_all.py", tmp_path / "scenes")
    expected = (1, "textures.py wrote no scene (exit code 3):\n\n")
    assert expected == (done.returncode, done.stderr)
    assert [path.name for path in (tmp_path / "scenes").iterdir()] == ["still.blend"]
