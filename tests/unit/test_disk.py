"""Removing folders that untrusted code has made hard to remove."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import ordinary

from veriframe import disk

DEEP = 2_500
"""Deeper than Python's recursion limit, and longer than a path may be."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in /tmp, which every user can enter, unlike a test's own folder."""
    made = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    made.chmod(0o777)
    yield made
    assert disk.remove(made)


def nest(top: Path, name: str, depth: int) -> None:
    """Make nested folders with a file in the last."""
    here = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=here)
        deeper = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


@pytest.mark.parametrize("name", ["d", "d" * 255])
def test_folders_of_any_depth_are_removed(tmp_path: Path, name: str) -> None:
    """fault_92: `shutil.rmtree` raised RecursionError at every start."""
    victim = tmp_path / "victim"
    victim.mkdir()
    nest(victim, name, DEEP)
    nest(victim, "other", 3)
    assert disk.remove(victim)
    assert list(tmp_path.iterdir()) == []


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    """fault_46: whether the folder itself is a link or contains links."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    victim = tmp_path / "victim"
    (victim / "deep").mkdir(parents=True)
    for place in (victim, victim / "deep"):
        (place / "link").symlink_to(tmp_path / "precious")
    (tmp_path / "link").symlink_to(tmp_path / "precious")
    os.mkfifo(victim / "fifo")
    assert disk.remove(victim)
    assert disk.remove(tmp_path / "link")
    assert [path.name for path in tmp_path.rglob("*")] == ["precious", "file"]


def test_a_missing_path_counts_as_removed(tmp_path: Path) -> None:
    """Even if its folder is missing, too."""
    assert disk.remove(tmp_path / "nothing")
    assert disk.remove(tmp_path / "no" / "thing")


_AS_USER = """
import os, sys
from pathlib import Path
from veriframe import disk
os.umask(0)
top = Path(sys.argv[1], "victim")
for mode in (0o000, 0o300, 0o500, 0o100):
    locked = top / f"{mode:o}"
    for folder in (locked / "inner" / "deep", locked / "other"):
        folder.mkdir(parents=True)
        (folder / "file").touch()
    (locked / "inner").chmod(mode)
    locked.chmod(mode)
top.chmod(0)
assert disk.remove(top)
"""


def test_locked_folders_are_opened(folder: Path) -> None:
    """fault_92: a folder of mode 0 blocked every later attempt of an ordinary user."""
    ordinary.run(_AS_USER, str(folder))


_FOREIGN = """
import sys
from pathlib import Path
from veriframe import disk
assert not disk.remove(Path(sys.argv[1], "victim"))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user: run as root")
def test_a_partial_removal_is_reported_and_not_raised(folder: Path) -> None:
    """fault_92: everything else is removed."""
    victim = folder / "victim"
    (victim / "foreign" / "kept").mkdir(parents=True)
    (victim / "gone").mkdir()
    victim.chmod(0o777)
    ordinary.run(_FOREIGN, str(folder))
    assert [path.name for path in victim.rglob("*")] == ["foreign", "kept"]


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system than `tmp_path`, as of a memory stick."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        assert Path(folder).stat().st_dev != tmp_path.stat().st_dev
        yield Path(folder)


def test_a_file_moves_to_another_file_system(tmp_path: Path, other_disk: Path) -> None:
    """fault_296: by a copy that gets the name once it is complete; it replaces what is there."""
    source, target = tmp_path / "saved", other_disk / "shot.blend"
    source.write_bytes(b"a scene")
    target.write_bytes(b"an older one, which is longer")
    disk.move(source, target)
    assert target.read_bytes() == b"a scene"
    assert not source.exists()
    assert list(other_disk.iterdir()) == [target]


def test_a_failed_move_leaves_both_files(tmp_path: Path, other_disk: Path) -> None:
    """fault_296: and nothing beside the target."""
    source, target = tmp_path / "saved", other_disk / "folder"
    source.write_bytes(b"a scene")
    target.mkdir()
    with pytest.raises(OSError, match="directory"):
        disk.move(source, target)
    assert source.exists()
    assert list(other_disk.iterdir()) == [target]
