"""`veriframe status`: what a worker does, seen from another terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tools.worker_picture import example
from typer.testing import CliRunner, Result

from veriframe.cli import context
from veriframe.cli.app import app
from veriframe.errors import SettingsError
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.wiring import workers
from veriframe.worker.overview import status_file

STRK = 10**18


@pytest.fixture
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VERIFRAME_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "110")
    context.read_settings(None, [], {"home": str(tmp_path / "home")})
    yield
    context.finish()


def run(*arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(app, ["status", *arguments])


def read() -> dict[str, Any]:
    """What it says as JSON."""
    result = run("--json")
    assert result.exit_code == 0, result.exception
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def note(*attempts: Attempt) -> None:
    """Put attempts into the worker's journal."""

    async def start() -> None:
        async with workers.opened_journal(context.current().settings, "worker") as journal:
            for attempt in attempts:
                await journal.start(attempt)

    context.run(start())


def attempt(job_id: int, stage: Stage, **facts: Any) -> Attempt:
    """An attempt at a stage."""
    whole = Attempt(job_id=job_id, asset_cid="bafk", reward_fri=5 * STRK, stage=stage, reached={stage: 1.0})
    return replace(whole, **facts)


@pytest.mark.usefixtures("_home")
def test_a_home_without_a_worker_has_an_empty_status(tmp_path: Path) -> None:
    """And asking makes no journal."""
    found = read()
    assert (found["runs"], found["process"], found["jobs"], found["due"]) == (False, None, [], [])
    assert found["version"] == 1
    assert not (tmp_path / "home" / "workers").exists()
    assert "does not run" in run().stdout


@pytest.mark.usefixtures("_home")
def test_a_worker_at_rest_shows_what_its_journal_has() -> None:
    """Unfinished attempts wait for their worker, results for their review; ended ones are over."""
    note(
        attempt(1, Stage.CLAIMED, due_at=2_000_000_000),
        attempt(2, Stage.SUBMITTED, due_at=2_000_000_600),
        attempt(3, Stage.SUBMITTED, due_at=1_999_999_999),
        attempt(4, Stage.PAID),
    )
    found = read()
    (job,) = found["jobs"]
    assert (job["job_id"], job["waits_for"], job["due_at"]) == (1, "its worker", 2_000_000_000)
    assert [(due["job_id"], due["reward_fri"]) for due in found["due"]] == [
        (3, str(5 * STRK)),
        (2, str(5 * STRK)),
    ]
    shown = run().stdout
    assert ("10 STRK" in shown, "its worker" in shown) == (True, True)


@pytest.mark.usefixtures("_home")
def test_a_running_worker_shows_what_it_wrote() -> None:
    """With its process; after its end the journal counts, and only the events are its last words."""
    settings = context.current().settings
    with workers.lock_account(settings, "worker"):
        status_file.write(workers.status_file(settings, "worker"), example())
        found = read()
        assert found["runs"] is True
        assert int(found["process"]) > 0
        assert [job["job_id"] for job in found["jobs"]] == [11, 12, 14]
        assert "63 %" in run().stdout
    found = read()
    assert (found["runs"], found["jobs"]) == (False, [])
    assert [one["text"] for one in found["happened"]] == [one.text for one in example().happened]


@pytest.mark.usefixtures("_home")
def test_a_running_worker_that_wrote_nothing_yet_is_shown_by_its_journal() -> None:
    """fault_183: also if its file is damaged."""
    settings = context.current().settings
    note(attempt(1, Stage.CHECKED))
    with workers.lock_account(settings, "worker"):
        workers.status_file(settings, "worker").write_text("{")
        found = read()
    assert (found["runs"], [job["job_id"] for job in found["jobs"]]) == (True, [1])


@pytest.mark.usefixtures("_home")
def test_watching_needs_a_terminal_or_json() -> None:
    """A pipe that gets picture after picture helps nobody."""
    result = run("--watch")
    assert isinstance(result.exception, SettingsError)
    assert "--json" in str(result.exception)


@pytest.mark.usefixtures("_home")
def test_an_account_that_does_not_exist_is_told(tmp_path: Path) -> None:
    """fault_155: on stderr, so that scripts read the same."""
    for command in (["status"], ["account", "earnings"]):
        result = CliRunner().invoke(app, ["--account", "nobody", *command])
        assert ("“nobody”" in result.stderr, "“nobody”" in result.stdout) == (True, False)
        assert "“nobody”" not in CliRunner().invoke(app, command).stderr


@pytest.mark.usefixtures("_home")
def test_no_line_in_a_pipe_ends_with_spaces() -> None:
    """They fill the lines of a terminal only."""
    lines = run().stdout.splitlines()
    assert [line for line in lines if line != line.rstrip()] == []
    assert len(lines) > 3
