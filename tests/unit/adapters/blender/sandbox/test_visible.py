"""Paths and variables as a sandboxed program sees them."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from veriframe.adapters.blender.sandbox.run import OUT, RunLimits, SandboxedRun
from veriframe.adapters.blender.sandbox.visible import SANDBOX_UID, environment, grant_access, on_host

CELL = SandboxedRun(
    argv=("program",),
    limits=RunLimits(wall_seconds=1, memory_bytes=1),
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
    """Only words that are paths, and paths below the shown ones."""
    assert on_the_host == on_host(CELL, word)


def test_the_environment_holds_what_is_named_and_nothing_else() -> None:
    """Nothing of the worker's own environment; the caller's values take precedence."""
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


@pytest.mark.parametrize(
    ("user", "may_give", "modes"),
    [(0, True, (0o710, 0o640)), (0, False, (0o700, 0o600)), (1000, False, (0o700, 0o600))],
    ids=["root", "root that may give nothing away", "ordinary"],
)
def test_only_the_sandbox_user_gets_access(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, user: int, may_give: bool, modes: tuple[int, int]
) -> None:
    """fault_96: through its group, and no one if renders run as the worker's own user."""
    given: list[tuple[Path, int, int]] = []

    def chown(path: Path, owner: int, group: int) -> None:
        if not may_give:
            raise OSError("not permitted")
        given.append((path, owner, group))

    monkeypatch.setattr("os.geteuid", lambda: user)
    monkeypatch.setattr("os.chown", chown)
    folder, file = tmp_path / "folder", tmp_path / "file"
    folder.mkdir(mode=0o755)
    file.write_text("")
    file.chmod(0o644)
    for path, mode in zip((folder, file), modes, strict=True):
        grant_access(path)
        assert path.stat().st_mode & 0o7777 == mode
    assert given == ([(folder, -1, SANDBOX_UID), (file, -1, SANDBOX_UID)] if may_give else [])
