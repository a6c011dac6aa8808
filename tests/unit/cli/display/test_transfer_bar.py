"""The progress bar of an upload or a download, and its lines."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from veriframe.cli.display import show
from veriframe.cli.display import transfer_bar as module
from veriframe.ports.store import Transfer


def drawn(monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool) -> str:
    """Everything that is written for a half-finished transfer."""
    written = io.StringIO()
    console = Console(file=written, force_terminal=is_terminal, width=120, color_system=None)
    monkeypatch.setattr(show, "err", console)
    with module.transfer_bar("storing the scene") as on_progress:
        for done_bytes in range(0, 50_000_001, 5_000_000):
            on_progress(Transfer(done_bytes=done_bytes, total_bytes=100_000_000))
    return written.getvalue()


def test_a_terminal_has_a_bar_with_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name, the sizes, the rate and the time left."""
    last = drawn(monkeypatch, is_terminal=True).split("\r")[-2]
    assert re.search(r"storing the scene .* 47\.7 MiB of 95\.4 MiB, [\d.]+ [KMGT]iB/s, \d+s left", last)


def test_a_pipe_has_nothing_for_what_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script's stderr stays free of bars."""
    assert drawn(monkeypatch, is_terminal=False) == ""


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        """The time now, in seconds."""
        return self.now


@pytest.mark.parametrize("total_bytes", [100_000_000, None])
def test_a_pipe_has_lines_for_what_takes_long(
    monkeypatch: pytest.MonkeyPatch, total_bytes: int | None
) -> None:
    """One every five seconds, and one at the end. Bytes of an earlier attempt do not count for the rate."""
    clock, written = Clock(), io.StringIO()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(show, "err", Console(file=written, force_terminal=False, width=40))
    with module.transfer_bar("fetching") as on_progress:
        for second in range(14):
            clock.now = 100.0 + second
            on_progress(Transfer(done_bytes=22_000_000 + 6_000_000 * second, total_bytes=total_bytes))
    of, left = (" of 95.4 MiB", ", {} left") if total_bytes else ("", "")
    assert written.getvalue().splitlines() == [
        f"fetching: 49.6 MiB{of}, 5.7 MiB/s{left.format('8s')}",
        f"fetching: 78.2 MiB{of}, 5.7 MiB/s{left.format('3s')}",
        "fetching: 95.4 MiB in 13s, 5.7 MiB/s",
    ]
