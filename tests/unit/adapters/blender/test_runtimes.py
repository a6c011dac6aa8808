"""Which Blender is used, and which files of this machine it sees."""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath

import pytest

from veriframe.adapters.blender import runtimes
from veriframe.adapters.blender.runtimes import BlenderExecutable, BpyWheel
from veriframe.errors import SettingsError


@pytest.fixture
def blender(tmp_path: Path) -> Path:
    """An unpacked Blender in a folder with other files."""
    folder = tmp_path / "home"
    (folder / "4.5").mkdir(parents=True)
    (folder / "lib").mkdir()
    (folder / ".ssh").mkdir()
    (folder / "key.json").write_text("secret")
    program = folder / "blender"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return program


def without_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the wheel were not installed."""
    monkeypatch.setattr(BpyWheel, "installed", staticmethod(lambda: False))


def test_a_set_path_is_used(blender: Path) -> None:
    """Although the wheel is installed."""
    runtime = runtimes.select(blender)
    assert isinstance(runtime, BlenderExecutable)
    assert (runtime.path, runtime.name) == (blender, "Blender executable")


def test_links_are_followed(blender: Path, tmp_path: Path) -> None:
    """Blender's files are next to the program, not next to the link."""
    (tmp_path / "link").symlink_to(blender)
    runtime = runtimes.select(tmp_path / "link")
    assert isinstance(runtime, BlenderExecutable)
    assert runtime.path == blender


def test_a_bare_name_is_looked_up_on_path(blender: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a shell."""
    monkeypatch.setenv("PATH", str(blender.parent))
    runtime = runtimes.select(Path("blender"))
    assert isinstance(runtime, BlenderExecutable)
    assert runtime.path == blender


def test_the_wheel_comes_next() -> None:
    """It is a dependency of this program, so it is installed."""
    runtime = runtimes.select(None)
    assert isinstance(runtime, BpyWheel)
    assert runtime.name == "bpy wheel"
    assert "bpy" not in sys.modules


def test_then_the_program_on_path(blender: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If there is no wheel."""
    without_wheel(monkeypatch)
    monkeypatch.setenv("PATH", str(blender.parent))
    runtime = runtimes.select(None)
    assert isinstance(runtime, BlenderExecutable)
    assert runtime.path == blender


def test_a_missing_blender_is_an_error_with_a_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """fault_37: nothing is claimed without one."""
    without_wheel(monkeypatch)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingsError, match="BLENDER_PATH"):
        runtimes.select(None)


def nothing(path: Path) -> None:
    """No file."""
    assert not path.exists()


def folder(path: Path) -> None:
    """The folder instead of the program in it."""
    path.mkdir()


def text(path: Path) -> None:
    """A file that is not executable."""
    path.write_text("x")


@pytest.mark.parametrize("make", [nothing, folder, text], ids=lambda make: make.__name__)
def test_a_path_that_is_not_a_program_is_an_error_with_a_remedy(tmp_path: Path, make: object) -> None:
    """fault_37: and another Blender is never used silently."""
    assert callable(make)
    make(tmp_path / "blender")
    with pytest.raises(SettingsError, match=f"BLENDER_PATH.*{tmp_path}"):
        runtimes.select(tmp_path / "blender")


def test_the_wheel_runs_scripts_isolated() -> None:
    """No path of this machine in the command line, and no user packages."""
    python, *options, script, first, second = BpyWheel().argv("s.py", ("a", PurePosixPath("/out")))
    assert options == ["-I", "-B"]
    assert PurePosixPath("/opt/veriframe/in_blender/s.py") == script
    assert ("a", PurePosixPath("/out")) == (first, second)
    assert PurePosixPath("/opt/veriframe/runtime/bin/python") == python
    assert set(BpyWheel().visible().values()) >= {runtimes.SCRIPTS, Path(sys.prefix)}


def test_a_program_runs_scripts_in_the_background(blender: Path) -> None:
    """Arguments take effect in order, so their order matters."""
    words = [str(word) for word in BlenderExecutable(blender).argv("s.py", ("a",))]
    assert words == [
        *("/opt/veriframe/runtime/blender", "-b", "--factory-startup", "--python-exit-code", "1"),
        *("--python", "/opt/veriframe/in_blender/s.py", "--", "a"),
    ]


def test_a_program_is_shown_with_its_own_folders_only(blender: Path) -> None:
    """Other files in the folder are not shown: it may be a home folder."""
    shown = BlenderExecutable(blender).visible()
    assert {blender, blender.parent / "4.5", blender.parent / "lib", runtimes.SCRIPTS} == set(shown.values())


def test_a_system_program_needs_no_other_files() -> None:
    """/usr is always visible."""
    runtime = BlenderExecutable(Path("/usr/bin/env"))
    assert set(runtime.visible().values()) == {runtimes.SCRIPTS}
    assert runtime.argv("s.py", ())[0] == PurePosixPath("/usr/bin/env")


def test_a_script_is_confined_in_its_own_process() -> None:
    """Hiding the host's paths needs no second Python process."""
    runtime = BpyWheel()
    argv = runtime.argv("render_frames.py", ("a",))
    confined = runtime.confined(argv)
    assert confined == (*argv[:3], runtimes.CONFINE, *argv[3:])
    assert (runtimes.SCRIPTS / runtimes.CONFINE.name).exists()


def test_a_program_is_confined_before_it_starts(blender: Path) -> None:
    """When one of our scripts could do it, Blender already has threads."""
    runtime = BlenderExecutable(blender)
    argv = runtime.argv("render_frames.py", ())
    python, *_, confine = runtime.confined(argv)[: -len(argv)]
    assert Path(python).name.startswith("python")
    assert confine == runtimes.CONFINE
    blender.unlink()
    assert runtime.confined(argv) == argv
