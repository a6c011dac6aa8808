"""Temporary folders of killed workers: theirs are removed, and no others."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from veriframe.adapters.blender.sandbox import temporary

_WORKER = """
import sys, tempfile, time
from veriframe.adapters.blender.sandbox import temporary
tempfile.tempdir = sys.argv[1]
with temporary.locked("run") as folder:
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep").chmod(0)
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A temporary folder without other workers' files, and no grace period."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(temporary, "_GRACE_SECONDS", -1)
    return tmp_path


def test_a_killed_workers_folders_are_removed(own_folder: Path) -> None:
    """But only after its death."""
    with subprocess.Popen(
        [sys.executable, "-c", _WORKER, own_folder],
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
    ) as worker:
        assert worker.stdout is not None
        folder = Path(worker.stdout.readline().strip())
        assert (temporary.sweep(), folder.exists()) == (0, True)
        worker.kill()
    assert (temporary.sweep(), folder.exists()) == (1, False)


def test_a_new_folder_stays(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may not be locked yet."""
    monkeypatch.setattr(temporary, "_GRACE_SECONDS", 60)
    (own_folder / "veriframe-held-run-x").mkdir()
    assert temporary.sweep() == 0


def test_links_files_and_other_names_stay(own_folder: Path) -> None:
    """Other programs' files in the temporary folder are not touched."""
    kept = own_folder / "kept"
    kept.mkdir()
    (own_folder / "veriframe-held-run-link").symlink_to(kept)
    (own_folder / "veriframe-held-run-file").touch()
    os.mkfifo(own_folder / "veriframe-held-run-pipe")
    before = sorted(own_folder.iterdir())
    assert temporary.sweep() == 0
    assert sorted(own_folder.iterdir()) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs folders of two users")
@pytest.mark.parametrize(("owner", "gone"), [(65_534, 0), (61_321, 1)])
def test_only_folders_of_this_user_are_removed(own_folder: Path, owner: int, gone: int) -> None:
    """A root worker's renders have a separate user."""
    folder = own_folder / "veriframe-held-run-x"
    folder.mkdir()
    os.chown(folder, owner, owner)
    assert temporary.sweep() == gone
