"""`veriframe config show`: all settings, each under the heading of its section."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from veriframe.cli import config, context
from veriframe.errors import SettingsError
from veriframe.settings import SECTIONS, Settings, template


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
    answer = json.loads(shown("--json"))["settings"]
    assert answer.keys() == Settings.model_fields.keys()
    assert answer["slots"] == {"value": 2, "from": "environment VERIFRAME_SLOTS"}


def test_values_are_shown_as_an_operator_writes_them() -> None:
    """No bytes, no 18 decimals, no `None`."""
    rows = {row[0]: row[1] for row in (line.split("\t") for line in shown().splitlines())}
    expected = {
        "memory_bytes": "8 GiB",
        "frame_seconds": "5m",
        "poll_seconds": "0.25s",
        "max_fee_strk": "1 STRK",
        "keystore": "not set",
        "arbiters": "none",
        "replica_required": "false",
        "starknet_token": "0x4718f5a0fc34cc1af16a1cdee98ffb20c31f5cd61d6ab07201858f4287c938d",
    }
    assert {name: rows[name] for name in expected} == expected


def test_init_writes_a_file_that_sets_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the working folder; an existing file stays, unless --force is passed."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "veriframe.toml"
    assert CliRunner().invoke(config.app, ["init"]).exit_code == 0
    assert path.read_text() == template()
    assert path.stat().st_mode & 0o077 == 0
    path.write_text("slots = 3")
    refused = CliRunner().invoke(config.app, ["init"])
    assert isinstance(refused.exception, SettingsError)
    assert ("--force" in str(refused.exception), path.read_text()) == (True, "slots = 3")
    assert CliRunner().invoke(config.app, ["init", "--force"]).exit_code == 0
    assert path.read_text() == template()


def test_init_in_a_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    """fault_121: no number of the system."""
    refused = CliRunner().invoke(config.app, ["init", str(tmp_path / "absent" / "file.toml")])
    assert isinstance(refused.exception, SettingsError)
    assert "Errno" not in str(refused.exception)
