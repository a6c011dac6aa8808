"""The bar of an upload or a download."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from veriframe.cli import show
from veriframe.cli.transfer_bar import transfer_bar
from veriframe.ports import Transfer


def drawn(monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool) -> str:
    """All that is written for a transfer that is half done."""
    written = io.StringIO()
    console = Console(file=written, force_terminal=is_terminal, width=120, color_system=None)
    monkeypatch.setattr(show, "err", console)
    with transfer_bar("storing the scene") as on_progress:
        for done_bytes in range(0, 50_000_001, 5_000_000):
            on_progress(Transfer(done_bytes=done_bytes, total_bytes=100_000_000))
    return written.getvalue()


def test_a_terminal_has_a_bar_with_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it is, how much of how much, how fast, how long still."""
    last = drawn(monkeypatch, is_terminal=True).split("\r")[-2]
    assert re.search(r"storing the scene .* 50\.0/100\.0 MB [\d.]+ [kMGT]B/s \d:\d\d:\d\d", last)


def test_a_pipe_has_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script's stderr stays free of bars."""
    assert drawn(monkeypatch, is_terminal=False) == ""
