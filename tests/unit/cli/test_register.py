"""`veriframe account register`: registration at registries of another kind; ours need none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.registry import FakeRegistry
from typer.testing import CliRunner

from veriframe.cli import account, context, opening
from veriframe.model.registry.standing import WorkerStanding
from veriframe.ports.registry import Membership, OpenedRegistry
from veriframe.wiring import registries

UNREGISTERED = WorkerStanding(
    may_register=True, is_registered=False, is_verified=False, reputation=None, is_paused=False
)


class RegisteringRegistry(FakeRegistry, Membership):
    """A registry that registers its workers. `infos` are the descriptions that it received."""

    worker = UNREGISTERED

    def __init__(self) -> None:
        super().__init__(0xD)
        self.infos: list[str] = []

    async def standing(self) -> WorkerStanding:
        """The standing that the test set."""
        return self.worker

    async def register(self, info: str) -> None:
        """Register the worker, without verifying it."""
        self.infos.append(info)
        self.worker = replace(self.worker, is_registered=True)


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> RegisteringRegistry:
    """The registry of the command."""
    made = RegisteringRegistry()
    monkeypatch.setattr(opening, "open_registry", lambda _: OpenedRegistry(worker=made, membership=made))
    context.read_settings(None, [], {"home": str(tmp_path / "home")})
    return made


def answer(*arguments: str) -> dict[str, Any]:
    """The command's answer, as JSON."""
    result = CliRunner().invoke(account.app, ["register", *arguments, "--json"])
    assert result.exit_code == 0, result.exception
    answer: dict[str, Any] = json.loads(result.stdout)
    del answer["version"]
    return answer


def test_a_worker_is_registered(foreign: RegisteringRegistry) -> None:
    """Once; the answer says who must do the rest."""
    missing = "The registry's owner must verify the account 0xd (verify_worker)."
    expected = {"standing": "registered, not verified", "missing": missing}
    assert answer("a studio") == expected
    assert answer("a studio") == expected
    assert foreign.infos == ["a studio"]


def test_a_registered_worker_has_nothing_to_do(foreign: RegisteringRegistry) -> None:
    """Nothing is sent."""
    foreign.worker = replace(UNREGISTERED, is_registered=True, is_verified=True, reputation=7)
    assert answer() == {"standing": "registered, verified, reputation 7"}
    assert foreign.infos == []


def test_a_registry_without_self_registration(foreign: RegisteringRegistry) -> None:
    """Nothing is sent; its owner must register the worker."""
    foreign.worker = replace(UNREGISTERED, may_register=False, is_verified=None)
    assert answer() == {
        "standing": "not registered",
        "missing": "The registry's owner must register the account 0xd.",
    }
    assert foreign.infos == []


def test_our_own_registries_take_anyone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The embedded registry and our contract need no registration."""
    monkeypatch.setattr(registries, "embedded", lambda *_: FakeRegistry(1))
    context.read_settings(None, [], {"home": str(tmp_path / "home")})
    assert answer() == {"standing": "this registry takes any worker: no registration is needed"}
