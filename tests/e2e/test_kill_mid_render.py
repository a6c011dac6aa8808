"""A worker killed during a real render: no process keeps running, and a restart finishes the job."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e.conftest import COMMAND, ROOT
from tests.e2e.embedded import Embedded, wait_for

from veriframe.model.attempt.attempt import Stage

pytestmark = pytest.mark.slow

LONG_SCENE = """
import os, sys
import bpy
bpy.ops.wm.read_factory_settings(use_empty=False)
scene = bpy.context.scene
scene.render.engine = "CYCLES"
scene.cycles.device, scene.cycles.samples, scene.cycles.use_denoising = "CPU", 300, False
scene.cycles.use_adaptive_sampling = False
scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 320, 180, 100
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[1], compress=True)
os._exit(0)
"""
"""Some seconds of work on two cores."""


def descendants(process: int) -> set[tuple[int, int]]:
    """All descendants of a process, each as its id and its start time."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (facts := _stat(int(entry.name))) is not None:
            parents[int(entry.name)] = facts
    found = {process}
    while more := {number for number, (parent, _) in parents.items() if parent in found} - found:
        found |= more
    return {(number, parents[number][1]) for number in found - {process}}


def _stat(process: int) -> tuple[int, int] | None:
    """The parent and the start in ticks (`proc_pid_stat(5)`), or None if it is gone or a zombie."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return None
    # The name, in brackets, may contain anything; the fields after it are state, parent, …, start (22nd).
    state, parent, *others = text.rpartition(")")[2].split()
    return None if state == "Z" else (int(parent), int(others[17]))


def alive(processes: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those that are still running, excluding new processes with the same id."""
    return {(number, start) for number, start in processes if (_stat(number) or (0, 0))[1] == start}


def work(embedded: Embedded, *command: str) -> subprocess.Popen[str]:
    """Start a worker process with the real Blender."""
    process = subprocess.Popen(
        [COMMAND, "--home", embedded.home, "--set", "disk_free_bytes=1MB", "worker", *command],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT / 'src'}"},
        cwd=embedded.home,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=(embedded.home / "log-of-worker").open("a"),
    )
    embedded.started.append(process)
    return process


def test_kill_9_in_the_middle_of_a_render(embedded: Embedded) -> None:
    """fault_73: Blender and its sandbox die with the worker; then the same claim is served."""
    scene = embedded.home / "long.blend"
    subprocess.run([sys.executable, "-c", LONG_SCENE, scene], check=True, timeout=120, capture_output=True)
    embedded.post(scene=scene.read_bytes())
    process = work(embedded)
    wait_for(lambda: "render_progress" in embedded.log(), 60)
    inside = descendants(process.pid)
    assert len(inside) > 1
    process.send_signal(signal.SIGKILL)
    process.wait(5)
    wait_for(lambda: not alive(inside), 5)
    assert embedded.stages() == [Stage.CLAIMED]
    assert work(embedded, "--once").wait(120) == 0, embedded.log()
    assert embedded.stages() == [Stage.SUBMITTED]
    events = embedded.events()
    assert (events["JobClaimed"], events["ResultSubmitted"]) == (1, 1)
    assert embedded.audit().discrepancies == ()
