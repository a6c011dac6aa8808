"""`veriframe scene check` and `render`: arguments, files and exit codes, without Blender."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.fakes.renderer import INSPECTION
from typer.testing import CliRunner, Result

from veriframe.cli import scene
from veriframe.errors import Code, JobRejected, RenderFailed, SettingsError, VeriFrameError
from veriframe.model.rendering.scene import BlenderVersion, SceneHeader, SceneVerdict, Wrapping

HEADER = SceneHeader(version=BlenderVersion(4, 5), wrapping=Wrapping.ZSTD, blocks=7, unpacked_bytes=1000)
VERDICT = SceneVerdict(header=HEADER, inspection=INSPECTION, warnings=())


class Crashing:
    """Renders nothing, and notes for which files it was asked to."""

    def __init__(self) -> None:
        self.files: Sequence[Path] = ()

    async def render(self, _scene: Path, files: dict[int, Path], _format: object) -> None:
        """Fails."""
        self.files = list(files.values())
        raise RenderFailed(Code.CRASH, "Blender crashed.")


@pytest.fixture
def crashing(monkeypatch: pytest.MonkeyPatch) -> Crashing:
    """What replaces the render."""
    made = Crashing()
    monkeypatch.setattr(scene, "_render", made.render)
    return made


@pytest.fixture
def blend(tmp_path: Path) -> Path:
    """A file that can be read."""
    path = tmp_path / "a.blend"
    path.touch()
    return path


def run(*arguments: object) -> Result:
    """Run a command."""
    return CliRunner().invoke(scene.app, [str(one) for one in arguments])


def refusal(*arguments: object) -> VeriFrameError:
    """Run a command that ends with an error."""
    error = run(*arguments).exception
    assert isinstance(error, VeriFrameError)
    return error


@pytest.mark.parametrize("frames", ["8-1", "1-99999999", "x", "1-2x0"])
def test_frames_that_cannot_be_read_are_wrong_arguments(frames: str, blend: Path, tmp_path: Path) -> None:
    """fault_189: the scene is not at fault, so the exit code is 2."""
    error = refusal("render", blend, "-o", tmp_path / "out", "--frames", frames)
    assert (type(error), "--frames" in str(error)) == (SettingsError, True)


def test_a_render_that_fails_leaves_no_folder(crashing: Crashing, blend: Path, tmp_path: Path) -> None:
    """fault_197: nor those above it; one that was there stays."""
    refusal("render", blend, "-o", tmp_path / "new" / "out", "--frames", "1-2")
    assert crashing.files == [tmp_path / "new" / "out" / f"frame_000{n}.png" for n in (1, 2)]
    assert not (tmp_path / "new").exists()
    (tmp_path / "old").mkdir()
    refusal("render", blend, "-o", tmp_path / "old")
    assert (tmp_path / "old").exists()


def test_one_frame_may_have_a_name_of_its_own(crashing: Crashing, blend: Path, tmp_path: Path) -> None:
    """fault_197: `-o x.png` means a picture, not a folder of that name."""
    refusal("render", blend, "-o", tmp_path / "x.png")
    assert crashing.files == [tmp_path / "x.png"]
    (tmp_path / "x.png").touch()
    assert isinstance(refusal("render", blend, "-o", tmp_path / "x.png"), SettingsError)
    assert isinstance(refusal("render", blend, "-o", tmp_path / "x.png", "--force"), RenderFailed)


@pytest.mark.parametrize("arguments", [("-o", "-"), ("-o", "x.png", "--frames", "1-2"), ("-o", "x.jpg")])
def test_names_that_mean_no_folder_are_refused(
    arguments: tuple[str, ...], crashing: Crashing, blend: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_197: rather than making a folder of that name."""
    monkeypatch.chdir(blend.parent)
    assert isinstance(refusal("render", blend, *arguments), SettingsError)
    assert (crashing.files, [entry.name for entry in blend.parent.iterdir()]) == ((), [blend.name])


def test_several_scenes_are_checked(blend: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each outcome is told; the exit code is that of the first one that is refused."""

    async def check(path: Path) -> SceneVerdict:
        if path.name == "b.blend":
            raise JobRejected(Code.NO_CAMERA, "There is no camera.")
        return VERDICT

    monkeypatch.setattr(scene, "_check", check)
    bad = blend.with_name("b.blend")
    bad.touch()
    result = run("check", bad, blend, "--json")
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 5
    assert [one["scene"] for one in told] == [str(bad), str(blend)]
    assert (told[0]["code"], told[1]["verdict"]) == ("NO_CAMERA", "fit")
    assert json.loads(run("check", blend, "--json").stdout)["verdict"] == "fit"
