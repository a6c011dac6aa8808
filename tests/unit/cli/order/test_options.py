"""Options of `veriframe order create` that cannot be used: named, whatever else is asked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.cli.shell import Shell
from tests.unit.creator.orders.studio import BUNDLE, Studio

from veriframe.errors import SettingsError
from veriframe.model.rendering.frames import ImageFormat


@pytest.mark.parametrize(
    ("option", "value"), [("--frames", "7-"), ("--depth", "8"), ("--pass", "z"), ("--tiles", "2x2")]
)
def test_a_wrong_option_for_a_folder_is_named(shell: Shell, studio: Studio, option: str, value: str) -> None:
    """fault_231: before anything is asked or stored; an EXR that the folder names has no 8 bits."""
    folder = studio.bundle(replace(BUNDLE, format=ImageFormat.EXR))
    refused = shell.refusal("create", str(folder), "--price", "1", "--yes", option, value)
    assert isinstance(refused, SettingsError)
    assert option in str(refused)
    assert "job.json" not in str(refused)
    assert studio.store.folders == {}
