"""The progress of `scene render` without a terminal."""

from __future__ import annotations

import pytest

from veriframe.cli.display.render_bar import LINE_SECONDS, RenderLines
from veriframe.model.rendering.frames import Progress


def progress(frame: int, fraction: float | None, phase: str = "rendering") -> Progress:
    """One report."""
    return Progress(
        phase=phase, frame=frame, done=0, total=2, fraction=fraction, seconds=1.0, memory_bytes=2**20
    )


def test_a_long_frame_has_a_line_every_few_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    """fault_158: with its phase and percent; a short one has one line."""
    now = 0.0
    lines = RenderLines(2, lambda: now)
    for tenth in range(11):
        now = LINE_SECONDS * tenth / 10
        lines.on_progress(progress(1, tenth / 10))
    lines.on_progress(progress(2, None, "denoising"))
    first, second, third = capsys.readouterr().err.splitlines()
    assert ("frame 1" in first, "frame 1" in second, "frame 2" in third) == (True, True, True)
    assert ("0 %" in first, "100 %" in second, "%" in third) == (True, True, False)
    assert ("rendering" in first, "denoising" in third) == (True, True)
