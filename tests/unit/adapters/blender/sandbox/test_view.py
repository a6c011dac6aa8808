"""Paths and variables as a walled program sees them."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from veriframe.adapters.blender.sandbox.cell import OUT, Cell, CellLimits
from veriframe.adapters.blender.sandbox.view import environment, on_host

CELL = Cell(
    argv=("program",),
    limits=CellLimits(wall_seconds=1, memory_bytes=1),
    visible={
        PurePosixPath("/job/scene.blend"): Path("/home/a/x.blend"),
        PurePosixPath("/lib"): Path("/opt/l"),
    },
    out=Path("/home/a/out"),
    environment={"LANG": "de_DE", "EXTRA": "1"},
)


@pytest.mark.parametrize(
    ("word", "on_the_host"),
    [
        ("/job/scene.blend", "/job/scene.blend"),
        (PurePosixPath("/job/scene.blend"), "/home/a/x.blend"),
        (PurePosixPath("/lib/deep/file"), "/opt/l/deep/file"),
        (OUT / "frame.png", "/home/a/out/frame.png"),
        (PurePosixPath("/elsewhere"), "/elsewhere"),
    ],
)
def test_inside_paths_become_the_hosts(word: str | PurePosixPath, on_the_host: str) -> None:
    """Only those that are marked as paths, and whatever lies below them."""
    assert on_the_host == on_host(CELL, word)


def test_the_environment_holds_what_is_named_and_nothing_else() -> None:
    """Nothing of the worker's own; the caller's values win."""
    expected = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": "/tmp",
        "TMPDIR": "/tmp",
        "LANG": "de_DE",
        "EXTRA": "1",
        "REPORT_FD": "7",
    }
    assert expected == environment(CELL, 7, "/tmp")
    assert "REPORT_FD" not in environment(CELL, None, "/tmp")
