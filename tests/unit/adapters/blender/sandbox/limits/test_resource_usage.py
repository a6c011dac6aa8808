"""Measurements from outside: the memory of a process tree, the size of a folder."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

from veriframe.adapters.blender.sandbox.limits import resource_usage
from veriframe.adapters.blender.sandbox.limits.resource_usage import (
    MAX_FILES,
    exceeds,
    measure_tree,
    proportional_bytes,
)

_TREE = """
import os, sys, threading
for _ in range(3):
    threading.Thread(target=sys.stdin.read, daemon=True).start()
ballast = b"x" * (64 * 2**20)
if os.fork():
    print("ready", flush=True)
sys.stdin.read()
"""


def test_a_tree_is_measured_with_its_root_and_its_children() -> None:
    """Shared pages of parent and child count twice in the sum, and once in the proportional size."""
    with subprocess.Popen(
        [sys.executable, "-I", "-c", _TREE], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        usage = measure_tree(process.pid)
        proportional = proportional_bytes(usage.pids)
        process.stdin.close()
    assert len(usage.pids) == 2
    assert process.pid == usage.pids[0]
    assert usage.threads == 4 + 1, "a fork has one"
    assert usage.memory_bytes > 128 * 2**20
    assert 64 * 2**20 < proportional < 100 * 2**20


def test_a_process_that_is_gone_uses_nothing() -> None:
    """A run may end between two measurements."""
    with subprocess.Popen(["/bin/true"]) as process:
        process.wait()
    assert resource_usage.Usage(0, (), 0, 0) == measure_tree(process.pid)
    assert proportional_bytes([process.pid]) == 0


def test_a_zombie_counts() -> None:
    """Otherwise a bomb of zombies would not be counted."""
    with subprocess.Popen(["/bin/true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert measure_tree(process.pid).threads == 1


def test_a_folder_is_measured_with_all_below_it(tmp_path: Path) -> None:
    """The limit itself is allowed; files in subfolders count; a hole counts in full."""
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    with (tmp_path / "deep" / "deeper" / "file").open("wb") as file:
        file.truncate(2**20)
    folders = sum(path.stat().st_blocks * 512 for path in (tmp_path / "deep", tmp_path / "deep" / "deeper"))
    assert not exceeds(tmp_path, 2**20 + folders)
    assert exceeds(tmp_path, 2**20 + folders - 1)


def test_what_the_file_system_adds_does_not_count(tmp_path: Path) -> None:
    """Rounding and index blocks do not count; blocks beyond a file's end do."""
    size = 640 * 2**20 + 1
    with (tmp_path / "large").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, size)
        assert os.fstat(file.fileno()).st_blocks * 512 > size
        assert not exceeds(tmp_path, size)
        assert exceeds(tmp_path, size - 1)
        file.truncate(0)
        ctypes.CDLL(None).fallocate(file.fileno(), 1, ctypes.c_long(0), ctypes.c_long(size))
        assert os.fstat(file.fileno()).st_size == 0
        assert exceeds(tmp_path, size - 2**20)


def test_links_are_not_followed(tmp_path: Path) -> None:
    """Neither out of the folder nor in cycles."""
    (tmp_path / "circle").symlink_to(tmp_path)
    (tmp_path / "outside").symlink_to("/usr")
    assert not exceeds(tmp_path, 2**16)


def test_too_many_files_are_too_much(tmp_path: Path) -> None:
    """An attack on the file system's inodes needs no content."""
    first = tmp_path / "0"
    first.touch()
    for number in range(1, MAX_FILES):
        os.link(first, tmp_path / str(number))
    assert not exceeds(tmp_path, 2**30)
    os.link(first, tmp_path / "one-more")
    assert exceeds(tmp_path, 2**30)
