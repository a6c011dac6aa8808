"""`veriframe doctor`: rows as they are found, JSON, and exit codes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.fakes.renderer import FakeRenderer
from typer.testing import CliRunner, Result

from veriframe.adapters.blender import runtimes
from veriframe.cli import context
from veriframe.cli.app import app
from veriframe.cli.display import show
from veriframe.doctor import machine
from veriframe.doctor.finding import Finding


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """Runs the command with a Blender that starts at once, and a node that does not answer."""

    async def build(_settings: object) -> FakeRenderer:
        return FakeRenderer()

    monkeypatch.setattr(runtimes, "select", lambda _: None)
    monkeypatch.setattr("veriframe.wiring.doctor.build_for_one", build)
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str, **settings: str) -> Result:
        flags = [f"--set={name}={value}" for name, value in {"disk_free_bytes": "1MB", **settings}.items()]
        try:
            return CliRunner().invoke(app, ["--home", str(tmp_path / "home"), *flags, "doctor", *arguments])
        finally:
            context.finish()

    return command


AWAY = {
    "job_registry_address": "0x1",
    "starknet_rpc": "http://127.0.0.1:9",
    "ipfs_api": "/ip4/127.0.0.1/tcp/9",
}


def _parts(result: Result) -> dict[str, dict[str, Any]]:
    return {part["part"]: part for part in json.loads(result.stdout)["parts"]}


def test_everything_is_examined_where_nothing_answers(run: Callable[..., Result]) -> None:
    """fault_165: chain and store away, and no keystore: a whole table, as JSON too; exit code 1."""
    result = run("--no-engines", "--json", **AWAY)
    assert (result.exit_code, json.loads(result.stdout)["verdict"]) == (1, "bad")
    parts = _parts(result)
    bad = {name for name, part in parts.items() if part["verdict"] == "bad"}
    assert bad == {"registry", "content store", "account"}
    assert "keystore" in parts["account"]["remedy"]
    assert {"home", "stakes", "jobs", "Blender", "sandbox"} < parts.keys()
    assert result.stderr == ""
    plain = run("--no-engines", **AWAY)
    assert plain.exit_code == 1
    rows = [line for line in plain.stdout.splitlines() if line.startswith(("good", "warning", "bad"))]
    assert len(rows) == len(parts)


def test_a_machine_that_can_work_exits_with_0(run: Callable[..., Result]) -> None:
    """Warnings do not count."""
    assert run("--no-engines").exit_code == 0


def test_rows_are_shown_as_they_are_found(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_166: each row is on the screen, and what comes next is named, before that is examined."""
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=60, highlight=False)
    monkeypatch.setattr(show, "out", terminal)
    shown: list[str] = []

    async def gpus() -> Finding:
        shown.append(screen.getvalue())
        return Finding("found " + "some of them " * 10 + "0x" + "f" * 64)

    monkeypatch.setattr(machine, "gpus", gpus)
    assert run("--no-engines").exit_code == 0
    assert "play money" not in screen.getvalue()
    assert ("memory" in shown[0], "GPUs" in shown[0], "found some" in shown[0]) == (True, True, False)
    lines = [line for line in screen.getvalue().splitlines() if "some of them" in line]
    assert len(lines) > 1
    assert all(line.startswith(" " * 25) for line in lines[1:])
    assert screen.getvalue().count("f" * 29) == 2  # a long word is broken, and not cut off
