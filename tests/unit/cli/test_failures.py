"""`veriframe scene failures` and `scene forget`: list and clear scenes that are not tried again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from veriframe.cli import context, scene
from veriframe.errors import Code, JobRejected, SettingsError
from veriframe.model.attempt.failure import Failure
from veriframe.model.registry.job import Address
from veriframe.wiring import workers

CID = "bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4"
OTHER = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"


def run(*arguments: str) -> Result:
    """Run a command."""
    return CliRunner().invoke(scene.app, arguments)


@pytest.fixture
def _failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A worker's journal with two scenes that failed."""
    monkeypatch.chdir(tmp_path)
    context.read_settings(None, [], {"home": str(tmp_path / "home")})

    async def fail() -> None:
        async with workers.opened_journal(context.current().settings, "worker") as journal:
            for cid, detail in ((CID, "Blender crashed\u202e\x1b[31m."), (OTHER, "No camera.")):
                await journal.note_failure(
                    Failure(
                        asset_cid=cid,
                        creator=Address(0xABC),
                        code=Code.CRASH,
                        detail=detail,
                        conditions="these",
                        at=1_700_000_000.0,
                    )
                )

    context.run(fail())
    yield
    context.finish()


@pytest.mark.usefixtures("_failed")
def test_failures_are_shown_in_words_and_as_json() -> None:
    """fault_85: the scene, the reason, the time and the creator; control characters are escaped."""
    shown = run("failures")
    assert shown.exit_code == 0
    assert (CID in shown.stdout, "CRASH" in shown.stdout, "2023-11-14 22:13" in shown.stdout) == (True,) * 3
    assert ("\x1b" in shown.stdout, "\u202e" in shown.stdout) == (False, False)
    listed = json.loads(run("failures", "--json").stdout)["failures"]
    assert [(one["asset_cid"], one["creator"]) for one in listed] == [(CID, "0xabc"), (OTHER, "0xabc")]


@pytest.mark.usefixtures("_failed")
def test_one_scene_is_forgotten() -> None:
    """fault_85: by any spelling of its CID; the others stay."""
    assert run("forget", CID.upper()).stdout == "Forgotten: 1 failure.\n"
    assert [one["asset_cid"] for one in json.loads(run("failures", "--json").stdout)["failures"]] == [OTHER]
    assert run("forget", CID).stdout == "Forgotten: 0 failures.\n"


@pytest.mark.usefixtures("_failed")
def test_all_are_forgotten_only_with_the_option() -> None:
    """A missing argument forgets nothing."""
    assert isinstance(run("forget").exception, SettingsError)
    assert isinstance(run("forget", "no CID").exception, JobRejected)
    assert run("forget", "--all").stdout == "Forgotten: 2 failures.\n"
    assert "No scene has failed here." in run("failures").stdout
