"""`veriframe account earnings`: what a worker's attempts earned and cost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from veriframe.cli import account, context, earnings, opening
from veriframe.errors import Code, RegistryUnavailable
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.attempt.earnings import Earnings
from veriframe.model.registry.job import Address
from veriframe.wiring import workers

STRK = 10**18
CREATOR = Address(7)
HOUR = 3600.0


def at(day: int) -> float:
    """Noon of a day in November 2026, local time, in Unix seconds."""
    return datetime(2026, 11, day, 12).astimezone().timestamp()


def attempt(job_id: int, stage: Stage, ended: float, **facts: Any) -> Attempt:
    """An attempt that rendered for an hour."""
    reached = {Stage.CLAIMED: ended - 2 * HOUR, Stage.RENDERED: ended - HOUR, stage: ended}
    made = Attempt(job_id=job_id, asset_cid="bafk", reward_fri=5 * STRK, creator=CREATOR, stage=stage)
    return replace(made, reached=reached, **facts)


HISTORY = (
    attempt(1, Stage.PAID, at(20), fees_fri=3),
    attempt(2, Stage.PAID, at(20)),
    attempt(3, Stage.RELEASED, at(23), lost_fri=STRK, fees_fri=2, code=Code.OOM),
    attempt(4, Stage.CLAIMED, at(24), fees_fri=1),
)


@pytest.fixture
def _past(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A worker's journal with a past, and a registry that does not answer."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    context.read_settings(None, [], {"home": str(tmp_path / "home")})

    def away(_account: str) -> None:
        raise RegistryUnavailable("The registry is away.")

    monkeypatch.setattr(opening, "open_reader", away)

    async def start() -> None:
        async with workers.opened_journal(context.current().settings, "worker") as journal:
            for one in HISTORY:
                await journal.start(one)

    context.run(start())
    yield
    context.finish()


def run(*arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(account.app, ["earnings", *arguments])


def read(*arguments: str) -> dict[str, Any]:
    """What it says as JSON."""
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.exception
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


@pytest.mark.usefixtures("_past")
@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("day", ["2026-11-20", "2026-11-23", "under way"]),
        ("week", ["2026-W47", "2026-W48", "under way"]),
        ("job", ["1", "2", "3", "4"]),
    ],
)
def test_attempts_are_grouped_and_summed_up(by: str, names: list[str]) -> None:
    """Exactly, as decimal strings of fri; the total is the same however they are grouped."""
    found = read("--by", by)
    assert [row[by] for row in found["rows"]] == names
    whole = found["total"]
    assert (whole["jobs"], whole["reward_fri"], whole["lost_fri"]) == (2, str(10 * STRK), str(STRK))
    assert (whole["fees_fri"], whole["earned_fri"]) == ("6", str(9 * STRK - 6))
    assert whole["hourly_fri"] == str((9 * STRK - 6) // 3)
    assert found["version"] == 1


@pytest.mark.usefixtures("_past")
def test_a_registry_that_is_away_leaves_a_doubt() -> None:
    """The journal's own figures are shown, and that a lost bond may be inexact."""
    assert "The registry is away." in read()["doubt"]
    shown = run()
    assert shown.exit_code == 0
    assert ("9 STRK" in shown.stdout or "8.99" in shown.stdout, "away" in shown.stderr) == (True, True)


@pytest.mark.usefixtures("_past")
def test_attempts_that_are_kept_only_as_sums_are_counted() -> None:
    """Those that ended long ago: see `Journal.compact`."""

    async def compact() -> None:
        async with workers.opened_journal(context.current().settings, "worker") as journal:
            await journal.compact(at(22))

    before = read()["total"]["earned_fri"]
    context.run(compact())
    found = read()
    assert [row["day"] for row in found["rows"]] == ["earlier", "2026-11-23", "under way"]
    assert found["total"]["earned_fri"] == before


def test_a_rate_from_seconds_is_extrapolated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With three digits; one from hours is not."""
    context.read_settings(None, [], {"home": str(tmp_path)})
    earnings._print(earnings.By.JOB, {"1": Earnings(jobs=1, reward_fri=3 * STRK // 10, render_seconds=21.0)})
    told = capsys.readouterr()
    assert told.out.splitlines()[-1].endswith("21s\t51.4 STRK")
    assert "extrapolated from 21s" in told.err
    earnings._print(earnings.By.JOB, {"1": Earnings(jobs=1, reward_fri=STRK, render_seconds=7 * HOUR)})
    told = capsys.readouterr()
    assert told.out.splitlines()[-1].endswith("7h\t0.143 STRK")
    assert told.err == ""


def test_without_a_journal_there_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And none is made."""
    monkeypatch.chdir(tmp_path)
    context.read_settings(None, [], {"home": str(tmp_path / "home")})
    assert read()["rows"] == []
    assert run().stdout.startswith("Nothing yet")
    assert not (tmp_path / "home" / "workers").exists()
