"""Fixtures for the tests of commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.unit.cli.shell import SCENE, Shell
from tests.unit.creator.stage import Stage

from veriframe.cli import context
from veriframe.wiring import registries, renderers, stores


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """A shell in an empty folder, without a terminal."""
    for variable in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)
    stage = Stage(tmp_path)
    stage.scene.write_bytes(SCENE)
    shell = Shell(stage)
    monkeypatch.setattr(registries, "embedded", shell.registry)
    monkeypatch.setattr(registries, "reader", shell.reader)
    monkeypatch.setattr(renderers, "build_for_one", shell.build_renderer)
    monkeypatch.setattr(stores, "open_store", lambda _settings: stage.store)
    context.read_settings(None, ["poll_seconds=0.001"], {"home": str(tmp_path / "home")})
    yield shell
    # The event loop has its own view of the settings.
    with suppress(KeyboardInterrupt):
        context.finish()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, shell: Shell) -> Shell:
    """The same shell, with output to a terminal."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    return shell
