"""`veriframe order create` judges what is paid before it packs a scene."""

from __future__ import annotations

import pytest
from tests.unit.cli.order.test_creating import _packs, _scene
from tests.unit.cli.shell import Shell
from tests.unit.creator.orders.studio import Studio

from veriframe.cli import context
from veriframe.cli.job import packing
from veriframe.errors import MoveRefused, SettingsError
from veriframe.model.quantities import format_strk


@pytest.mark.parametrize(
    "arguments",
    [
        ("--reward", "0"),
        ("--reward", "1000000"),
        ("--price", "1000", "--frames", "1-100"),
        ("--reward", "1000", "--frames", "1-100", "--chunk", "1"),
        ("--reward", "1000", "--frames", "1", "--tiles", "8x8"),
        ("--price", "0.1", "--lease", "100d"),
        (),
        ("--no-check",),
    ],
)
def test_a_price_that_cannot_be_paid_is_refused_before_packing(
    shell: Shell, studio: Studio, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    """fault_328: packing and its estimate take minutes. Without a price, only an estimate may suggest one."""
    asked = _packs(monkeypatch, studio)
    monkeypatch.setattr(packing, "hour_fri", lambda: None)
    refused = shell.refusal("create", _scene(studio), "--yes", *arguments)
    assert isinstance(refused, (SettingsError, MoveRefused))
    assert asked == []


def test_a_price_that_can_just_be_paid_is_not_refused(
    shell: Shell, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_328: what is judged before is at most what is asked for in the end."""
    _packs(monkeypatch, studio)
    means = context.run(studio.creator.funds()).means_fri
    price = format_strk(means // 10).removesuffix(" STRK")
    assert shell.run("create", _scene(studio), "--yes", "--price", price, "--frames", "1-10").exit_code == 0
