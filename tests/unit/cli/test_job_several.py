"""Commands about several jobs or scenes: each outcome is told, and the exit code says if all went well."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.cli.shell import Shell, lines, submit
from tests.unit.creator.stage import PNG

from veriframe.cli.job import following
from veriframe.errors import SettingsError


@pytest.fixture
def posted(shell: Shell) -> Shell:
    """Three jobs of two scenes."""
    other = shell.stage.folder / "other.blend"
    other.write_bytes(shell.stage.scene.read_bytes() + b" ")
    shell.create(str(other))
    shell.create()
    return shell


def test_create_posts_several_scenes(shell: Shell) -> None:
    """One order each; the same scene named twice is posted once."""
    other = shell.stage.folder / "other.blend"
    other.write_bytes(shell.stage.scene.read_bytes())
    result = shell.create(str(other), str(other))
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == [str(shell.stage.scene), str(other)]
    assert shell.stage.shared.moves.count("create_order") == 2
    assert "10 STRK" in result.stderr


def test_create_needs_the_money_for_all(shell: Shell) -> None:
    """fault_153: nothing is posted if it is short for the last of them."""
    other = shell.stage.folder / "other.blend"
    other.write_bytes(shell.stage.scene.read_bytes())
    shell.refusal("create", str(shell.stage.scene), str(other), "--reward", "60", "--yes")
    assert shell.stage.shared.moves == []


def test_several_jobs_are_shown_as_json_lines(posted: Shell) -> None:
    """In the order of the arguments, each once; one that does not exist is an object with its error."""
    result = posted.run("show", "2", "1", "2", "9", "--json")
    assert [line["job_id"] for line in lines(result)] == [2, 1, 9]
    assert [line.get("code") for line in lines(result)] == [None, None, "UNKNOWN_JOB"]
    assert result.exit_code == 4


def test_several_jobs_are_accepted_or_cancelled(posted: Shell) -> None:
    """fault_153: the jobs that cannot be are told, and the others go on."""
    submit(posted, 1, 3)
    result = posted.run("accept", "1", "2", "3")
    assert (len(result.stdout.splitlines()), result.exit_code) == (2, 4)
    assert result.stderr.casefold().count("job 2") == 1
    assert posted.run("cancel", "2").exit_code == 0
    states = [entry["state"] for entry in posted.object("list")["jobs"]]
    assert states == ["PAID", "REFUNDED", "PAID"]


def test_several_pictures_are_fetched_into_a_folder(posted: Shell) -> None:
    """By default the working folder."""
    submit(posted, 1, 2)
    Path("pictures").mkdir()
    assert posted.run("fetch", "1", "2", "-o", "pictures").exit_code == 0
    assert posted.run("fetch", "1", "2").exit_code == 0
    for folder in (Path(), Path("pictures")):
        assert [(folder / f"job-{number}.png").read_bytes() for number in (1, 2)] == [PNG, PNG]
    assert isinstance(posted.refusal("fetch", "1", "2", "-o", "one.png"), SettingsError)


@pytest.mark.parametrize("on_terminal", [False, True])
def test_several_jobs_are_watched_at_the_same_time(
    posted: Shell, on_terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until all are final; one that was refunded decides the exit code."""
    if on_terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
    submit(posted, 1)
    posted.run("accept", "1")

    async def cancel() -> None:
        await posted.creator_registry.cancel_job(2)

    # The end of the first job is read several times before the second one's change.
    posted.creator_registry.acts = [*[posted.stage.funds] * 9, cancel]
    result = posted.run("watch", "1", "2")
    assert result.exit_code == following.REFUNDED
    for words in ("job 1 PAID", "job 2 OPEN", "job 2 REFUNDED"):
        assert words in result.output


def test_one_unknown_job_does_not_end_the_watch_of_others(posted: Shell) -> None:
    """fault_153: it is told at once."""
    posted.run("cancel", "1")
    result = posted.run("watch", "9", "1", "--json")
    assert {line["job_id"] for line in lines(result)} == {1, 9}
    assert result.exit_code == 4
