"""A worker that is killed with `kill -9` while a run starts: no program continues without it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from tests import ordinary
from tests.integration.sandbox_runs import (
    BUILDERS,
    LIMITS,
    open_folder,
    own_temporary_folder,
    processes_with,
    run_shell,
)

from veriframe.adapters.blender.sandbox import selection, temporary
from veriframe.adapters.blender.sandbox.output_mounts import MemoryFileSystems
from veriframe.adapters.blender.sandbox.run import Ending, Level, SandboxedRun

__all__ = ["open_folder", "own_temporary_folder"]

_WORKERS = """
import asyncio, os, signal, sys, time
from tests.integration.sandbox_runs import BUILDERS, LIMITS, SandboxedRun

builder, mark = sys.argv[1:]

def work():
    sandbox = BUILDERS[builder]()
    os.write(write, b"x")
    script = ": " + mark + "; trap '' TERM; while sleep 1; do :; done"
    asyncio.run(sandbox.run(SandboxedRun(argv=("/bin/bash", "-c", script), limits=LIMITS)))

for milliseconds in range(40):
    read, write = os.pipe()
    worker = os.fork()
    if worker == 0:
        work()
    os.read(read, 1)
    time.sleep(milliseconds / 1000)
    os.kill(worker, signal.SIGKILL)
    os.waitpid(worker, 0)
"""
_AS_USER = """
import json, sys
from tests.integration import test_sandbox_killed as killed
print(json.dumps(killed.left_by_killed_workers(sys.argv[1])))
"""


def left_by_killed_workers(builder: str) -> list[str]:
    """Returns the programs of runs whose workers were killed 0 to 39 milliseconds after the start.

    One bubblewrap in forty stays before it has built anything: it waits for its killed parent.
    """
    mark = f"early-{time.monotonic_ns()}"
    subprocess.run(
        [sys.executable, "-c", _WORKERS, builder, mark],
        check=True,
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.defpath},
    )
    deadline = time.monotonic() + 5
    while (left := programs_with(mark)) and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in processes_with(mark):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 9)
    return left


def programs_with(mark: str) -> list[str]:
    """Returns the first words of the command lines that contain a mark, except bubblewrap's own."""
    names = []
    for pid in processes_with(mark):
        with contextlib.suppress(OSError):
            names.append(Path(f"/proc/{pid}/cmdline").read_text().partition("\0")[0])
    return [name for name in names if name not in {"", "bwrap"}]


@pytest.mark.parametrize("builder", [name for name in BUILDERS if name != "none"])
def test_nothing_outlives_a_worker_that_is_killed_early(builder: str) -> None:
    """fault_73: renders continued after 25 of 66 such deaths, without a time limit."""
    assert left_by_killed_workers(builder) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="the other ran as this user already")
@pytest.mark.parametrize("builder", ["strict", "landlock"])
def test_nothing_outlives_an_ordinary_users_worker(builder: str) -> None:
    """fault_73: with a single bubblewrap."""
    assert json.loads(ordinary.run(_AS_USER, builder)) == []


def parent_of(pid: int) -> int:
    """Returns the process id of a process's parent."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.parametrize("builder", [name for name in BUILDERS if name.startswith("strict")])
async def test_a_builder_that_crashes_is_not_the_scenes_fault(
    builder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_38: a signal ends bubblewrap before the program has started."""

    async def crash(_: MemoryFileSystems, pid: int) -> None:
        os.kill(parent_of(pid), signal.SIGSEGV)
        await asyncio.sleep(9)

    monkeypatch.setattr(MemoryFileSystems, "hold", crash)
    assert (await run_shell(BUILDERS[builder](), "exit 0")).ending is Ending.SANDBOX_FAILED


@pytest.mark.parametrize("builder", [name for name in BUILDERS if name.startswith("strict")])
async def test_a_builder_that_crashes_after_the_start_is_not_the_scenes_fault(
    builder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_38: no program inside can reach bubblewrap, so its crash is never the scene's fault."""
    builders: list[int] = []
    hold = MemoryFileSystems.hold

    async def note(mounts: MemoryFileSystems, pid: int) -> None:
        await hold(mounts, pid)
        builders.append(parent_of(pid))

    monkeypatch.setattr(MemoryFileSystems, "hold", note)
    run = SandboxedRun(
        argv=("/bin/bash", "-c", "echo >&$REPORT_FD; sleep 9"),
        limits=LIMITS,
        on_report=lambda _: os.kill(builders[0], signal.SIGSEGV),
    )
    assert (await BUILDERS[builder]().run(run)).ending is Ending.SANDBOX_FAILED


_LEFT = """
import asyncio, os, sys, tempfile
from pathlib import Path
from tests.integration.sandbox_runs import LIMITS, BUILDERS, SandboxedRun
tempfile.tempdir = sys.argv[1]

async def main():
    notify = lambda _: os.write(1, b"up\\n")
    argv = ("/bin/bash", "-c", "echo x > $HOME/x; echo >&$REPORT_FD; sleep 60")
    await BUILDERS["landlock"]().run(SandboxedRun(argv=argv, limits=LIMITS, on_report=notify))

asyncio.run(main())
"""


def test_the_next_worker_removes_its_folders(monkeypatch: pytest.MonkeyPatch, open_folder: Path) -> None:
    """fault_73: below STRICT they stayed on the disk."""
    monkeypatch.setattr(tempfile, "tempdir", str(open_folder))
    monkeypatch.setattr(temporary, "_GRACE_SECONDS", -1)
    with subprocess.Popen(
        [sys.executable, "-c", _LEFT, open_folder],
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.defpath},
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"up\n"
        worker.kill()
    assert len(list(open_folder.glob("veriframe-*"))) == 2
    asyncio.run(selection.build(Level.NONE))
    assert list(open_folder.glob("veriframe-*")) == []
