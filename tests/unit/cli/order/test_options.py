"""Options of `veriframe order create` that cannot be used: named, whatever else is asked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.cli.shell import Shell
from tests.unit.creator.orders.studio import BUNDLE, Studio

from veriframe.errors import SettingsError
from veriframe.model.rendering.frames import ImageFormat


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("absent.blend", "--price", "1"), "There is no absent.blend"),
        (("BUNDLE", "--price", "1", "--frames", "7-"), "--frames"),
        (("BUNDLE", "--price", "1", "--reward", "1"), "--reward"),
        (("BUNDLE", "--price", "1", "--again", "1"), "--again"),
        (("BUNDLE", "--price", "1"), "--yes"),
    ],
)
def test_consent_is_asked_for_after_the_arguments(
    shell: Shell, studio: Studio, arguments: tuple[str, ...], named: str
) -> None:
    """fault_233: without a terminal, --yes is demanded only of a command that could run."""
    folder = str(studio.bundle())
    refused = str(shell.refusal("create", *(folder if one == "BUNDLE" else one for one in arguments)))
    assert named in refused
    assert ("--yes" in refused) == (named == "--yes")


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
