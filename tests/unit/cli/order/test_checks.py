"""What `veriframe order create` checks of a scene, or of a folder, before anything is public."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.renderer import INSPECTION, Script
from tests.unit.cli.order.test_creating import _packs
from tests.unit.cli.shell import SCENE, Shell, plain
from tests.unit.creator.orders.studio import BUNDLE, SHOT, Studio

from veriframe.cli import job, order, scene
from veriframe.errors import Code, JobRejected, SettingsError
from veriframe.model.bundle.job_file import Split
from veriframe.model.rendering.scene import MissingFile, SceneInspection

LACKING = replace(
    INSPECTION, missing=(MissingFile(kind="image", name="wood", path="//textures/wood.png", used=True),)
)
DRIVEN = replace(INSPECTION, scripts=("text rig_ui.py (runs on load)", "driver of Cube location"))


def _seen(shell: Shell, inspection: SceneInspection, content: bytes = SHOT) -> None:
    """What the sandbox finds in a scene of this content."""
    shell.renderer.scripts[content] = Script(inspection=inspection)


def test_a_folder_that_lacks_a_file_is_not_posted(shell: Shell, studio: Studio) -> None:
    """fault_297: no worker takes it, and nobody would hear why. --no-check posts it nevertheless."""
    _seen(shell, LACKING)
    posting = ("create", str(studio.bundle()), "--price", "0.05", "--yes")
    refused = shell.refusal(*posting)
    assert isinstance(refused, JobRejected)
    assert refused.code is Code.MISSING_FILES
    assert (studio.shared.moves, studio.store.folders) == ([], {})
    assert shell.run(*posting, "--no-check").exit_code == 0


def test_a_folder_is_judged_with_what_is_asked_of_it(shell: Shell, studio: Studio) -> None:
    """fault_297: by the options, for its tiles, and for the release that it names."""
    _seen(shell, replace(INSPECTION, cameras=("Camera", "Side")))
    posting = ("create", str(studio.bundle()), "--price", "0.05", "--yes")
    refused = shell.refusal(*posting, "--camera", "Top")
    assert isinstance(refused, JobRejected)
    assert refused.code is Code.OVERRIDE
    _seen(shell, replace(INSPECTION, changed_later=("Compositing",)))
    studio.bundle(replace(BUNDLE, frames=(1,), chunk=1, split=Split(columns=2, rows=2)))
    refused = shell.refusal(*posting)
    assert isinstance(refused, JobRejected)
    assert refused.code is Code.BAD_BUNDLE
    studio.bundle(replace(BUNDLE, blender="4.2"))
    refused = shell.refusal(*posting)
    assert isinstance(refused, JobRejected)
    assert refused.code is Code.VERSION
    assert studio.shared.moves == []


def test_scene_check_takes_a_folder(shell: Shell, studio: Studio) -> None:
    """fault_297: as the hint about a chunk that nobody claims says."""
    folder = str(studio.bundle())
    shell.app = scene.app
    assert shell.run("check", folder).exit_code == 0
    _seen(shell, LACKING)
    refused = shell.refusal("check", folder)
    assert isinstance(refused, JobRejected)
    assert refused.code is Code.MISSING_FILES


def test_a_class_of_other_machines_is_told(shell: Shell, studio: Studio) -> None:
    """fault_324: a check here then shows of no worker that it takes the chunks; it is no reason to refuse."""
    folder = str(studio.bundle(replace(BUNDLE, classes=("4.5.0-other-CPU-0123456789abcdef",))))
    posting = ("create", folder, "--price", "0.05", "--yes")
    for arguments in (
        posting,
        (*posting, "--anyway", "--no-check"),
        ("create", "--again", "1", "--frames", "1", "--yes", "--anyway"),
    ):
        result = shell.run(*arguments)
        assert result.exit_code == 0, result.output
        assert "4.5.0-other-CPU-0123456789abcdef" in plain(result)
        assert (shell.renderer.known_class in plain(result)) == (arguments is posting)
    assert "4.5.0-other-CPU-0123456789abcdef" in plain(shell.run("show", "1"))
    shell.app = scene.app
    checked = shell.object("check", folder)
    assert checked["verdict"] == "fit"
    assert any(shell.renderer.known_class in warning for warning in checked["warnings"])
    own = str(studio.bundle(replace(BUNDLE, classes=(shell.renderer.known_class,))))
    assert shell.object("check", own)["warnings"] == []


def test_without_frames_the_whole_range_is_ordered(
    shell: Shell, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_298: and that is said; as the help says, also without any other option."""
    asked = _packs(monkeypatch, studio)
    result = shell.run("create", str(shell.stage.scene), "--yes")
    assert result.exit_code == 0, result.output
    assert asked[0].frames is None
    assert len(studio.shared.jobs) == 2
    assert "--frames 1 orders one picture" in " ".join(result.stderr.split())
    named = shell.run("create", str(shell.stage.scene), "--frames", "1-10", "--yes", "--anyway")
    assert "orders one picture" not in named.stderr


def test_a_bare_scene_that_lacks_textures_is_told_of_packing(shell: Shell) -> None:
    """fault_298: `job create` takes one file; `order create` packs those beside it."""
    _seen(shell, LACKING, SCENE)
    shell.app = job.app
    refused = shell.refusal("create", str(shell.stage.scene), "--reward", "1", "--yes")
    assert f"order create {shell.stage.scene} --frames 1" in str(refused)


@pytest.mark.parametrize("is_folder", [True, False])
def test_a_scripted_driver_stops_an_order(
    shell: Shell, studio: Studio, monkeypatch: pytest.MonkeyPatch, *, is_folder: bool
) -> None:
    """fault_299: the picture would be another one than the artist's, unless that is wanted."""
    _seen(shell, DRIVEN)
    _packs(monkeypatch, studio, inspection=DRIVEN)
    source = str(studio.bundle()) if is_folder else str(shell.stage.scene)
    posting = ("create", source, "--price", "0.05", "--frames", "1-4", "--yes")
    refused = shell.refusal(*posting)
    assert isinstance(refused, SettingsError)
    assert "Bake Action" in str(refused)
    assert "rig_ui" not in str(refused)
    assert studio.shared.moves == []
    assert shell.run(*posting, "--without-scripts").exit_code == 0


def test_a_text_that_runs_on_load_stops_nothing(shell: Shell, studio: Studio) -> None:
    """fault_299: every rig of Rigify's has one, and it draws nothing."""
    _seen(shell, replace(INSPECTION, scripts=DRIVEN.scripts[:1]))
    shell.app = order.app
    assert shell.run("create", str(studio.bundle()), "--price", "0.05", "--yes").exit_code == 0
