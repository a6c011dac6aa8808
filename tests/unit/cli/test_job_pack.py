"""`veriframe job pack`, with fakes for Blender and its sandbox."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.packer import FakePacker
from tests.fakes.renderer import FakeRenderer, Script
from tests.scenes.blend_bytes import blend, block
from typer.testing import CliRunner, Result

from veriframe.cli.app import app
from veriframe.creator.packing.packing import Packing
from veriframe.errors import Code, JobRejected, SettingsError
from veriframe.model.bundle.job_file import parse_job_file
from veriframe.model.bundle.travel import Kind, NamedFile, Shape
from veriframe.model.rendering.scene import MissingFile, SceneLimits


class Desk:
    """A scene that names pictures of another folder, one of them hidden."""

    def __init__(self, folder: Path) -> None:
        self.home, self.other, self.target = folder / "shot", folder / "other", folder / "bundle"
        (self.other / ".private").mkdir(parents=True)
        self.home.mkdir()
        self.scene = self.home / "shot.blend"
        self.scene.write_bytes(blend(block(b"REND", b"x" * 72)))
        self.pictures = [self.other / f"{name}.png" for name in ("a", *(f"b_{n}" for n in range(30)), "z")]
        self.hidden = self.other / ".private" / "key.png"
        for picture in (*self.pictures, self.hidden):
            picture.write_bytes(b"x")
        self.renderer = FakeRenderer()
        self.packer = FakePacker(self.renderer)
        self.name(*self.pictures)
        self.packing = Packing(packer=self.packer, renderer=self.renderer, limits=SceneLimits())

    def name(self, *paths: Path, kind: Kind = Kind.IMAGE, shape: Shape = Shape.FILE) -> None:
        """The scene names these files, too."""
        before = self.packer.listings.get(str(self.scene), ())
        named = (
            NamedFile(kind=kind, block="b", path=str(path), owner=str(self.scene), shape=shape)
            for path in paths
        )
        self.packer.listings[str(self.scene)] = (*before, *named)

    def call(self, *options: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        done = self.invoke(*options)
        return done.exit_code, done.stdout, done.stderr

    def refusal(self, *options: str) -> str:
        """What is said of options for which the program ends with 2."""
        done = self.invoke(*options)
        if done.exit_code == 2:
            return done.stderr
        # `main` gives the code of settings to this error.
        assert isinstance(done.exception, SettingsError), done.output
        return str(done.exception)

    def invoke(self, *options: str) -> Result:
        """Run the command."""
        words = ["job", "pack", str(self.scene), "-o", str(self.target), *options]
        return CliRunner().invoke(app, ["--home", str(self.home.parent / "veriframe"), *words])


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """The desk, whose packing is what the command uses."""
    made = Desk(tmp_path.resolve())

    async def packing() -> Packing:
        return made.packing

    monkeypatch.setattr("veriframe.cli.job.packing.packing_of_settings", packing)
    return made


def test_everything_from_elsewhere_is_named(desk: Desk) -> None:
    """The last file as well as the first: none hides behind others (fault_142)."""
    font = desk.home.parent / "elsewhere" / "secret.ttf"
    font.parent.mkdir()
    font.write_bytes(b"x")
    desk.name(font, kind=Kind.FONT)
    code, out, told = desk.call("--frames", "1-4", "--chunk", "2")
    assert code == 0
    lines = [line.strip() for line in told.splitlines() if line.startswith("  ")]
    # The rarest kind comes first, and no name stands for others but the two ends of a run of numbers.
    assert lines == [
        *(f"1 × font in {font.parent}:", "secret.ttf", f"32 × image in {desk.other}:"),
        *("a.png", "b_0.png to b_9.png (10 files)", "b_10.png to b_29.png (20 files)", "z.png"),
    ]
    assert str(desk.target) in out
    bundle = parse_job_file((desk.target / "job.json").read_bytes())
    assert (bundle.frames, bundle.chunk) == ((1, 2, 3, 4), 2)


def test_what_a_folder_or_a_pattern_brings_is_named(desk: Desk) -> None:
    """Also from the scene's own folder, which may be one of downloads (fault_147)."""
    for name in ("tex/s_1.png", "tex/s_2.png", "tex/plain.png", "sim/data/fluid_data_0001.vdb"):
        (desk.home / name).parent.mkdir(parents=True, exist_ok=True)
        (desk.home / name).write_bytes(b"x")
    desk.name(desk.home / "sim", kind=Kind.FLUID_CACHE, shape=Shape.FOLDER)
    desk.name(desk.home / "tex" / "s_1.png", shape=Shape.SEQUENCE)
    desk.name(desk.home / "tex" / "plain.png")
    code, out, told = desk.call("--json", "--no-check")
    assert code == 0
    listed = told.partition("From caches")[2]
    assert "fluid_data_0001.vdb" in listed
    assert "s_1.png to s_2.png (2 files)" in listed
    assert "plain.png" not in listed
    assert json.loads(out)["collected"] == [
        *(str(desk.home / name) for name in ("sim/data/fluid_data_0001.vdb", "tex/s_1.png", "tex/s_2.png"))
    ]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--frames", "3-1"),
        ("--frames", "1-20001"),
        ("--resolution", "2x2"),
        ("--samples", "0"),
        ("--depth", "32"),
        ("--pass", "beauty"),
        ("--pass", "z"),
        ("--camera", "Other"),
        ("--view-layer", ""),
        ("--frame-seconds", "1e9"),
        ("--frame-seconds", "nan"),
        ("--tiles", "0x2"),
        ("--tiles", "2x2"),
        ("--seed", "-1"),
    ],
)
def test_a_wrong_option_is_named(desk: Desk, option: str, value: str) -> None:
    """fault_231: not the bundle's job.json, which its owner has not written; exit code 2."""
    told = desk.refusal(option, value)
    assert option in told
    assert "job.json" not in told
    assert not desk.target.exists()


@pytest.mark.parametrize("place", ["file/bundle", "shot", "shot/shot.blend"])
def test_a_place_that_cannot_be_used_is_refused_at_once(desk: Desk, place: str) -> None:
    """fault_234: before the scene is opened, and nothing is made."""
    (desk.home.parent / "file").touch()
    desk.target = desk.home.parent / place
    assert "Pass a" in desk.refusal()
    assert desk.packer.shown == []
    desk.target = desk.home.parent / "new" / "folder"
    desk.scene = desk.home / "absent.blend"
    desk.refusal()
    assert not (desk.home.parent / "new").exists()


def test_a_missing_texture_is_named_once(desk: Desk) -> None:
    """fault_235: by the path that was looked for, and not again by its block's name."""
    desk.name(desk.home / "lost.png")
    lost = MissingFile(kind="image", name="Image.001", path="//lost.png", used=True)
    seen = Script(inspection=replace(Script().inspection, missing=(lost,)))
    desk.renderer.scripts[b"BLENDER"] = seen
    done = desk.invoke()
    assert isinstance(done.exception, JobRejected)
    assert done.exception.code is Code.MISSING_FILES
    told = done.stderr + str(done.exception)
    assert told.count("lost.png") == 1
    assert "Image.001" not in told
    assert "Find Missing Files" in told


def test_options_that_exclude_one_another_are_named(desk: Desk) -> None:
    """fault_231: tiles and denoising, and more frames than a job.json can list."""
    assert "--denoise" in desk.refusal("--tiles", "2x2", "--frames", "1", "--denoise")
    # No two of them follow one another, and they take more text than a job.json has for them.
    scattered = ",".join(str(3 * n + n % 2) for n in range(1, 5000))
    assert "--frames" in desk.refusal("--frames", scattered)
    assert desk.call("--frames", "1-19999x2", "--no-check")[0] == 0
    assert parse_job_file((desk.target / "job.json").read_bytes()).frames == tuple(range(1, 20000, 2))


def test_equal_pixels_prove_nothing_if_a_file_could_not_travel(desk: Desk) -> None:
    """Neither picture had it (fault_130)."""
    desk.name(desk.hidden)
    code, out, told = desk.call()
    assert code == 7
    assert "key.png" in told.partition("Left out")[2]
    assert "is not known: it lacks" in out
    assert "is the same" not in out


def test_what_the_comparison_cannot_tell_is_told(desk: Desk) -> None:
    """fault_237: neither picture has an add-on's node, nor what a driver of an add-on does."""
    seen = replace(Script().inspection, scripts=("driver of Cube location",))
    desk.renderer.scripts[b"BLENDER"] = Script(inspection=seen)
    code, out, _ = desk.call()
    out = " ".join(out.split())
    assert code == 0
    assert "the same from the bundle as from your files as far as can be told" in out
    assert "driver of Cube location" in out
    desk.target = desk.home.parent / "second"
    desk.packer.machine = ("the node Wonder of Material",)
    code, out, _ = desk.call()
    assert code == 7
    assert "is the same" not in out
    assert "the node Wonder of Material" in " ".join(out.split())


def test_scripts_read_the_same(desk: Desk) -> None:
    """One object, with the comparison, the estimate and all files from elsewhere."""
    desk.packer.unknown = ("Brush: /x",)
    code, out, _ = desk.call("--json", "--set", "machine_hour_strk=2")
    told = json.loads(out)
    assert code == 0
    assert told["outside"] == [str(path) for path in desk.pictures]
    assert told["comparison"]["is_equal"] is True
    assert told["estimate"]["frames"] == 250
    assert int(told["estimate"]["price_fri"]) >= 0
    assert [left["why"] for left in told["left_out"]]


def test_a_difference_has_an_exit_code_of_its_own(desk: Desk) -> None:
    """The bundle is there, and what may be missing is named."""
    desk.name(desk.hidden)
    desk.renderer.scripts = {desk.scene.read_bytes() + b"[": Script(colour=(1, 2, 3))}
    code, out, _ = desk.call()
    assert code == 7
    assert "differs" in out
    assert "key.png" in out
    assert (desk.target / "job.json").exists()


def test_without_the_check_nothing_is_rendered(desk: Desk) -> None:
    """A bundle is all that one gets."""
    code, _, _ = desk.call("--no-check")
    assert code == 0
    assert desk.renderer.tasks == []


@pytest.mark.parametrize(
    "options", [("--resolution", "big"), ("--tiles", "2"), ("--depth", "32"), ("--frames", "9-1")]
)
def test_options_that_cannot_be_used_end_it_at_once(desk: Desk, options: tuple[str, str]) -> None:
    """Before anything is looked for."""
    code, _, _ = desk.call(*options)
    assert code != 0
    assert not desk.target.exists()
    assert desk.renderer.opened == []
