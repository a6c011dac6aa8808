"""`veriframe config show`: all settings, each under the heading of its section."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from veriframe.cli import config, context
from veriframe.settings import SECTIONS, Settings


@pytest.fixture(autouse=True)
def _two_slots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERIFRAME_SLOTS", "2")
    context.read_settings(None, [], {"home": str(tmp_path / "home")})


def shown(*arguments: str) -> str:
    """What the command prints."""
    result = CliRunner().invoke(config.app, ["show", *arguments])
    assert result.exit_code == 0, result.exception
    return result.stdout


def test_every_setting_is_shown_once_under_its_section() -> None:
    """A heading names the section; the lines after it have name, value, origin and meaning."""
    rows = [line.split("\t") for line in shown().splitlines()]
    found: dict[str, list[str]] = {}
    for name, *rest in rows:
        if rest == ["value", "from", "meaning"]:
            section = found.setdefault(name, [])
        else:
            section.append(name)
            assert (name != "slots") or rest[:2] == ["2", "environment VERIFRAME_SLOTS"]
    assert found == {section.__name__: list(section.model_fields) for section in SECTIONS}
    assert sorted(name for names in found.values() for name in names) == sorted(Settings.model_fields)


def test_json_has_flat_names() -> None:
    """One object for all settings, as scripts read it."""
    answer = json.loads(shown("--json"))
    assert answer.keys() == Settings.model_fields.keys()
    assert answer["slots"] == {"value": 2, "from": "environment VERIFRAME_SLOTS"}
