"""Ctrl-C while results are verified: what is kept is told."""

from __future__ import annotations

import pytest
import typer

from veriframe.cli import context
from veriframe.cli.verification.running import STOPPED, told_when_stopped


@pytest.mark.parametrize(
    ("code", "is_noted", "is_told"),
    [(context.INTERRUPTED, True, True), (context.INTERRUPTED, False, False), (3, True, False)],
)
def test_what_is_kept_is_told(
    code: int, is_noted: bool, is_told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only after Ctrl-C, and only if conclusions are noted; the exit code stays."""
    with pytest.raises(typer.Exit) as ended, told_when_stopped(is_noted=is_noted):
        raise typer.Exit(code)
    assert ended.value.exit_code == code
    assert (STOPPED in capsys.readouterr().err) is is_told
