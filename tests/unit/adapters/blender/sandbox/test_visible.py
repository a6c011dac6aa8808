"""Paths and variables as a sandboxed program sees them."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from veriframe.adapters.blender.sandbox.run import OUT, RunLimits, SandboxedRun
from veriframe.adapters.blender.sandbox.visible import (
    SANDBOX_UID,
    deliver,
    environment,
    grant_access,
    on_host,
)

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
    assert expected == environment(CELL, {"REPORT_FD": 7}, "/tmp")
    assert "REPORT_FD" not in environment(CELL, {}, "/tmp")


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


def test_a_delivered_file_is_a_link(tmp_path: Path) -> None:
    """Its bytes are not copied, and its own permissions stay."""
    file, target = tmp_path / "scene.blend", tmp_path / "delivered"
    file.write_bytes(b"scene")
    file.chmod(0o644)
    assert deliver(file, target)
    assert target.samefile(file)
    assert file.stat().st_mode & 0o777 == 0o644


def test_a_delivered_link_leads_to_its_file(tmp_path: Path) -> None:
    """A link itself would lead nowhere inside the sandbox."""
    (tmp_path / "scene.blend").write_bytes(b"scene")
    (tmp_path / "scene.blend").chmod(0o644)
    (tmp_path / "link").symlink_to(tmp_path / "scene.blend")
    assert deliver(tmp_path / "link", tmp_path / "delivered")
    assert not (tmp_path / "delivered").is_symlink()


def test_what_the_sandbox_user_may_not_read_is_copied(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """For a root worker. The file itself keeps its permissions."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("os.chown", lambda path, owner, group: None)
    file, target = tmp_path / "scene.blend", tmp_path / "delivered"
    file.write_bytes(b"scene")
    file.chmod(0o600)
    assert deliver(file, target)
    assert not target.samefile(file)
    assert target.read_bytes() == b"scene"
    assert (file.stat().st_mode & 0o777, target.stat().st_mode & 0o777) == (0o600, 0o640)


def test_a_large_file_is_not_copied_where_a_link_is_impossible(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On another disk: a new sandbox can show the file itself."""

    def refuse(source: Path, target: Path) -> None:
        raise OSError("another disk")

    monkeypatch.setattr("os.link", refuse)
    for size, delivered in ((8, True), (9, False)):
        monkeypatch.setattr("veriframe.adapters.blender.sandbox.visible.MOST_COPIED_BYTES", 8)
        file, target = tmp_path / f"{size}.blend", tmp_path / f"{size}"
        file.write_bytes(bytes(size))
        file.chmod(0o644)
        assert deliver(file, target) is delivered
        assert target.exists() is delivered
