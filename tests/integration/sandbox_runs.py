"""Runs of programs in real sandboxes, for the tests of the sandbox."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox
from veriframe.adapters.blender.sandbox.levels.unnamespaced import UnnamespacedSandbox
from veriframe.adapters.blender.sandbox.limits import cgroup
from veriframe.adapters.blender.sandbox.run import (
    OUT,
    Level,
    RunExit,
    RunLimits,
    Sandbox,
    SandboxedRun,
)

MIB = 2**20
LIMITS = RunLimits(wall_seconds=20, memory_bytes=256 * MIB, pids=32, output_bytes=4 * MIB, tmp_bytes=8 * MIB)
PYTHON = os.path.realpath(sys.executable)
BASE = Path(sys.base_prefix)
RUNTIME = {} if BASE.is_relative_to("/usr") else {PurePosixPath(BASE): BASE}
BUILDERS: dict[str, Callable[[], Sandbox]] = {
    "strict": BubblewrapSandbox,
    "strict-watcher": lambda: BubblewrapSandbox(use_cgroup=False),
    "strict-single": lambda: BubblewrapSandbox(nested=False),
    "landlock": lambda: UnnamespacedSandbox(Level.LANDLOCK),
    "landlock-watcher": lambda: UnnamespacedSandbox(Level.LANDLOCK, use_cgroup=False),
    "none": lambda: UnnamespacedSandbox(Level.NONE),
}


STRICT = [name for name in BUILDERS if name.startswith("strict")]
WATCHED = ["strict-watcher", "landlock-watcher"]


@pytest.fixture(params=BUILDERS)
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """Each level in each form."""
    return BUILDERS[request.param]()


@dataclass
class Received:
    """The reports and log lines of a run."""

    reports: list[bytes] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


async def run_shell(
    sandbox: Sandbox,
    script: str,
    *,
    received: Received | None = None,
    limits: RunLimits = LIMITS,
    **more: Any,
) -> RunExit:
    """Runs a shell script in the sandbox. `$0` is its output folder."""
    received = received or Received()
    return await sandbox.run(
        SandboxedRun(
            argv=("/bin/bash", "-c", script, OUT),
            limits=limits,
            on_report=received.reports.append,
            on_log=received.lines.append,
            **more,
        )
    )


def processes_with(mark: str) -> list[int]:
    """Returns the processes whose command line contains a mark."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if mark.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def open_files() -> int:
    """Returns how many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def groups() -> list[Path]:
    """Returns this process's control groups."""
    hierarchy = cgroup.find()
    if hierarchy is None:
        return []
    folders = {hierarchy.memory, hierarchy.pids}
    return [group for folder in folders for group in folder.glob(f"veriframe-{os.getpid()}-*")]


def reachable(folder: Path) -> Path:
    """Creates a folder that every user can reach, which LANDLOCK as root needs."""
    for parent in (folder, *folder.parents):
        if parent.stat().st_uid == os.geteuid():
            parent.chmod(parent.stat().st_mode | 0o755)
    out = folder / "out"
    out.mkdir()
    return out


async def run_python(
    sandbox: Sandbox,
    script: str,
    *,
    out: Path | None = None,
    received: Received | None = None,
    memory: int = 256,
) -> RunExit:
    """Runs Python in the sandbox, with the expected output `a`; `sys.argv[1]` is its output folder."""
    received = received or Received()
    limits = type(LIMITS)(
        wall_seconds=20, memory_bytes=memory * MIB, pids=32, output_bytes=4 * MIB, tmp_bytes=96 * MIB
    )
    return await sandbox.run(
        SandboxedRun(
            argv=(PYTHON, "-I", "-S", "-c", script, OUT),
            limits=limits,
            visible=RUNTIME,
            out=out,
            expected=("a",),
            on_report=received.reports.append,
        )
    )


@pytest.fixture(autouse=True)
def own_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A temporary folder that no other program uses and every user may traverse."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield


@pytest.fixture
def open_folder(own_temporary_folder: None) -> Path:
    """A folder that every user can reach, whatever other runs of the tests do with pytest's own."""
    return reachable(Path(tempfile.mkdtemp()))


def temporary() -> set[str]:
    """Returns the folders of runs in the temporary folder."""
    return {path.name for path in Path(tempfile.gettempdir()).glob("veriframe-*")}
