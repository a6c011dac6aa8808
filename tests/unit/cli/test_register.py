"""`veriframe account register`: what a registry of another kind wants of its workers; ours want nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.registry import FakeRegistry
from typer.testing import CliRunner

from veriframe.cli import account, context
from veriframe.model.registry.standing import WorkerStanding
from veriframe.wiring import registries

STRANGER = WorkerStanding(
    may_register=True, is_registered=False, is_verified=False, reputation=None, is_paused=False
)


class Guild(FakeRegistry):
    """A registry with workers of its own. `infos`: who asked to be taken in."""

    told = STRANGER

    def __init__(self) -> None:
        super().__init__(0xD)
        self.infos: list[str] = []

    async def standing(self) -> WorkerStanding:
        """As told."""
        return self.told

    async def register(self, info: str) -> None:
        """Taken in, and not verified yet."""
        self.infos.append(info)
        self.told = replace(self.told, is_registered=True)


@pytest.fixture
def guild(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Guild:
    """The registry of the command."""
    made = Guild()
    monkeypatch.setattr(registries, "embedded", lambda _settings, _account: made)
    context.read_settings(None, [], {"home": str(tmp_path / "home")})
    return made


def told(*arguments: str) -> dict[str, Any]:
    """What the command answers, as JSON."""
    result = CliRunner().invoke(account.app, ["register", *arguments, "--json"])
    assert result.exit_code == 0, result.exception
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def test_a_worker_asks_to_be_taken_in(guild: Guild) -> None:
    """Once; then it is said who must do the rest."""
    missing = "The registry's owner must verify the account 0xd (verify_worker)."
    expected = {"standing": "registered, not verified", "missing": missing}
    assert told("a studio") == expected
    assert told("a studio") == expected
    assert guild.infos == ["a studio"]


def test_a_worker_that_is_taken_in_has_nothing_to_do(guild: Guild) -> None:
    """Nothing is sent."""
    guild.told = replace(STRANGER, is_registered=True, is_verified=True, reputation=7)
    assert told() == {"standing": "registered, verified, reputation 7"}
    assert guild.infos == []


def test_a_registry_that_lets_nobody_register_itself(guild: Guild) -> None:
    """Nothing is sent either; its owner must do it."""
    guild.told = replace(STRANGER, may_register=False, is_verified=None)
    assert told() == {
        "standing": "not registered",
        "missing": "The registry's owner must register the account 0xd.",
    }
    assert guild.infos == []


def test_our_own_registries_take_anyone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing needs to be registered, on the embedded one and on our contract."""
    monkeypatch.setattr(registries, "embedded", lambda _settings, _account: FakeRegistry(1))
    context.read_settings(None, [], {"home": str(tmp_path / "home")})
    assert told() == {"standing": "this registry takes any worker: nothing needs to be registered"}
