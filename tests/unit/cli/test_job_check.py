"""`veriframe job create` checks a scene in the sandbox before it asks for anything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.renderer import INSPECTION, FakeRenderer, Script
from tests.unit.cli.shell import Shell

from veriframe.cli.display.error import exit_code
from veriframe.errors import Code, JobRejected, SettingsError
from veriframe.model.rendering.scene import MissingFile

TEXTURE = MissingFile(kind="image", name="wood", path="//wood.png", used=True)


def test_create_posts_no_scene_that_workers_would_refuse(shell: Shell) -> None:
    """fault_150: the same verdict and exit code as `scene check`; no account is opened, nothing is public."""
    shell.renderer.scripts[b""] = Script(inspection=replace(INSPECTION, missing=(TEXTURE,)))
    error = shell.refusal("create", str(shell.stage.scene), "--reward", "5", "--yes")
    assert isinstance(error, JobRejected)
    assert (error.code, exit_code(error)) == (Code.MISSING_FILES, 5)
    assert (shell.accounts, shell.stage.store.files, shell.stage.shared.moves) == ([], {}, [])


def test_create_shows_the_verdict_with_the_terms(shell: Shell) -> None:
    """Engine, samples, size, camera and warnings, before the question."""
    unused = replace(TEXTURE, used=False)
    shell.renderer.scripts[b""] = Script(inspection=replace(INSPECTION, missing=(unused,), samples=77))
    said = shell.create().stderr
    for words in ("CYCLES", "77 samples", "64×36", "Camera", "Warning:", "//wood.png"):
        assert words in said
    assert said.index("77 samples") < said.index("become public")


def test_create_as_json_has_the_verdict(shell: Shell) -> None:
    """And the scene's name; `null` if it was not checked."""
    posted = shell.object("create", str(shell.stage.scene), "--reward", "5", "--yes")
    assert (posted["scene"], posted["check"]["samples"]) == ("scene.blend", INSPECTION.samples)
    unchecked = shell.object("create", str(shell.stage.scene), "--reward", "5", "--yes", "--no-check")
    assert unchecked["check"] is None
    assert len(shell.renderer.inspected) == 1


def test_create_without_blender_says_that_the_check_was_left_out(shell: Shell) -> None:
    """fault_151: with the reason; the scene is posted."""
    shell.no_blender = SettingsError("There is no Blender on this machine.")
    result = shell.create()
    assert (result.exit_code, shell.stage.shared.moves[-1]) == (0, "create_order")
    assert "There is no Blender on this machine." in result.stderr


def test_a_scene_that_changes_during_its_check_is_not_posted(shell: Shell) -> None:
    """fault_152: what is posted is what was checked."""

    class Editor(FakeRenderer):
        async def before_inspection(self, scene: Path) -> None:
            with scene.open("ab") as stream:
                stream.write(b"and more")

    shell.renderer = Editor()
    error = shell.refusal("create", str(shell.stage.scene), "--reward", "5", "--yes")
    assert (type(error), shell.stage.store.files) == (SettingsError, {})


def test_the_check_is_a_line_without_a_terminal(shell: Shell) -> None:
    """It takes seconds, and a script's log shows what is under way; stdout stays clean."""
    result = shell.create()
    assert "in the sandbox" in result.stderr
    assert "sandbox" not in result.stdout


@pytest.mark.parametrize("missing", [True, False])
def test_one_refused_scene_does_not_keep_the_others(shell: Shell, missing: bool) -> None:
    """fault_153: each outcome is told, and the exit code is that of the first refusal."""
    bad = shell.stage.folder / "bad.blend"
    if not missing:
        bad.write_bytes(b"no scene")
    result = shell.run("create", str(bad), str(shell.stage.scene), "--reward", "5", "--yes")
    assert result.exit_code == (2 if missing else 5)
    assert str(bad) in result.stderr
    assert shell.stage.shared.moves.count("create_order") == 1
