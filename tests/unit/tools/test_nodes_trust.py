"""`tools/nodes` runs no program that others could have written, neither for its version nor for a build."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NOBODY = 65534
NODE = """#!/bin/sh
touch "$RAN_MARK"
echo ipfs version 0.42.0
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")


@dataclass(frozen=True)
class Place:
    """A checkout of `tools/nodes` alone, and a folder for each place where it searches programs."""

    folder: Path

    def put(self, at: str, name: str = "ipfs") -> Path:
        """Write a valid program into a folder."""
        program = self.folder / at / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(NODE)
        program.chmod(0o755)
        return program

    def where(self, *arguments: str, path: str = "path") -> subprocess.CompletedProcess[str]:
        """Run the tool. Afterwards `ran` says whether it ran the program."""
        (self.folder / "ran").unlink(missing_ok=True)
        environment = {
            "PATH": f"{self.folder / path}:/usr/bin:/bin",
            "HOME": str(self.folder),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "RAN_MARK": str(self.folder / "ran"),
        }
        command: list[str | Path] = [
            self.folder / "checkout" / "tools" / "nodes",
            *(arguments or ("--where", "kubo")),
        ]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    @property
    def ran(self) -> bool:
        """Whether a program was run."""
        return (self.folder / "ran").exists()


PLACES = ("path", "shared/bin", "cache/veriframe/nodes/kubo-0.42.0/bin")


@pytest.fixture
def place() -> Iterator[Place]:
    """A place in /tmp, which is sticky and so allowed as a parent folder."""
    with tempfile.TemporaryDirectory() as made:
        tools = Path(made) / "checkout" / "tools"
        tools.mkdir(parents=True)
        shutil.copy(ROOT / "tools" / "nodes", tools)
        yield Place(Path(made))


@pytest.mark.parametrize("at", PLACES)
def test_a_program_that_only_we_can_write_is_found(place: Place, at: str) -> None:
    """On PATH, in shared/bin next to the checkout, and in the cache."""
    program = place.put(at)
    found = place.where()
    assert (found.returncode, found.stdout.strip(), place.ran) == (0, str(program.resolve()), True)


@pytest.mark.parametrize("at", PLACES)
@pytest.mark.parametrize("mode", [0o777, 0o775, 0o1777])
def test_nothing_is_run_from_a_folder_that_others_may_write(place: Place, at: str, mode: int) -> None:
    """fault_97: not even for its version; a sticky bit does not protect programs in the folder itself."""
    program = place.put(at)
    program.parent.chmod(mode)
    found = place.where()
    assert (found.returncode, found.stdout, place.ran) == (4, "", False)
    assert f"{program.parent.resolve()}" in found.stderr
    assert "chmod go-w" in found.stderr


def test_parent_folders_are_checked_too(place: Place) -> None:
    """fault_97: anyone who may write there can replace the folder below."""
    program = place.put("shared/bin")
    program.parents[1].chmod(0o777)
    assert (place.where().returncode, place.ran) == (4, False)


@pytest.mark.parametrize("mode", [0o777, 0o775])
def test_a_program_that_others_may_write_is_not_run(place: Place, mode: int) -> None:
    """fault_97: even in our own folder."""
    place.put("path").chmod(mode)
    assert (place.where().returncode, place.ran) == (4, False)


@as_root
@pytest.mark.parametrize("what", ["program", "folder"])
def test_a_program_of_another_owner_is_not_run(place: Place, what: str) -> None:
    """fault_97: the program or its folder belongs to another user."""
    program = place.put("path")
    os.chown(program if what == "program" else program.parent, NOBODY, NOBODY)
    assert (place.where().returncode, place.ran) == (4, False)


def test_a_link_is_judged_by_its_target(place: Place) -> None:
    """fault_97: a link in our folder to a program that others may replace."""
    program = place.put("open")
    program.parent.chmod(0o777)
    link = place.folder / "path" / "ipfs"
    link.parent.mkdir()
    link.symlink_to(program)
    assert (place.where().returncode, place.ran) == (4, False)


def test_the_next_place_is_searched(place: Place) -> None:
    """An open folder on PATH does not hide the program in the cache."""
    place.put("path").parent.chmod(0o777)
    program = place.put(PLACES[2])
    found = place.where()
    assert (found.returncode, found.stdout.strip()) == (0, str(program.resolve()))


def test_a_builder_behind_a_link_is_run(place: Place) -> None:
    """As installers make it: the target is checked, and the link's folder."""
    builder = place.put("tools", "go")
    (place.folder / "path").mkdir()
    (place.folder / "path" / "go").symlink_to(builder)
    (place.folder / "checkout" / "tools" / "kubo").mkdir()
    for name in ("go.mod", "tools.go"):
        (place.folder / "checkout" / "tools" / "kubo" / name).touch()
    assert (place.where("kubo").returncode, place.ran) == (3, True), "it built nothing"


def test_no_builder_is_run_from_an_open_folder(place: Place) -> None:
    """fault_97: `go` on PATH, in a folder that others may write."""
    place.put("path", "go").parent.chmod(0o777)
    found = place.where("kubo")
    assert (found.returncode, place.ran) == (3, False)
    assert "chmod go-w" in found.stderr
