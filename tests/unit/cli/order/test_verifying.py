"""`veriframe order verify`: what is refused before anything is rendered."""

from __future__ import annotations

from tests.unit.cli.shell import Shell
from tests.unit.creator.orders.studio import Studio

from veriframe.errors import MoveRefused, SettingsError


def test_frames_that_the_order_does_not_have(shell: Shell, studio: Studio) -> None:
    """They never come: it is no reason to wait, as for those that have not come yet."""
    shell.run("create", str(studio.bundle()), "--price", "0.05", "--yes")
    refused = shell.refusal("verify", "1", "--frames", "99")
    assert isinstance(refused, SettingsError)
    assert "none of these frames" in str(refused)
    waits = shell.refusal("verify", "1", "--frames", "2")
    assert isinstance(waits, MoveRefused)
    assert "order watch 1" in str(waits)
