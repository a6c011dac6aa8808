"""What `veriframe arbiter` says of its account at the embedded registry."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from veriframe.cli import context
from veriframe.cli.app import app
from veriframe.wiring import arbiters


class Idle:
    """An arbiter without a dispute."""

    async def run(self, *, once: bool) -> None:
        """Nothing to do."""
        assert once


@pytest.fixture(autouse=True)
def _idle(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No Blender is needed, since nothing is verified."""

    @asynccontextmanager
    async def opened(*_arguments: object) -> AsyncIterator[Idle]:
        yield Idle()

    monkeypatch.setattr(arbiters, "opened_arbiter", opened)
    yield
    context.finish()


@pytest.mark.parametrize(("options", "name"), [((), "arbiter"), (("--account", "abriter"), "abriter")])
def test_a_new_account_is_named_once(tmp_path: Path, options: tuple[str, ...], name: str) -> None:
    """Whether it was named or not, with how to name another."""

    def ran() -> tuple[str, str]:
        result = CliRunner().invoke(app, ["--home", str(tmp_path), *options, "arbiter", "--once"])
        assert result.exit_code == 0, result.output
        return " ".join(result.stdout.split()), " ".join(result.stderr.split())

    listed, told = ran()
    assert f"No dispute names the account “{name}” now." in listed
    assert f"“{name}” is a new account" in told
    assert "`veriframe --account NAME arbiter`" in told
    assert "new account" not in ran()[1]
