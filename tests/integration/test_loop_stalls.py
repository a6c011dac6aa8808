"""Clean-up and measurement after a scene do not block the event loop, so other jobs continue."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.integration.sandbox_runs import BUILDERS, LIMITS, MIB, PYTHON, RUNTIME, run_python, run_shell

from veriframe import disk
from veriframe.adapters.blender import scripts
from veriframe.adapters.blender.sandbox.levels.unnamespaced import UnnamespacedSandbox
from veriframe.adapters.blender.sandbox.limits import cgroup, resource_usage
from veriframe.adapters.blender.sandbox.output_mounts import MemoryFileSystems
from veriframe.adapters.blender.sandbox.run import Ending, Level, SandboxedRun

MOST_SECONDS = 0.3
"""One iteration of the loop on a busy machine; the clean-up in these tests blocks for longer."""

MANY_FILES = """
import os, sys
for number in range(150_000):
    os.close(os.open(f"/tmp/{number:x}", os.O_CREAT))
"""
SHARERS = """
import mmap, os, time
shared = mmap.mmap(-1, 200 << 20)
for offset in range(0, len(shared), 4096):
    shared[offset] = 1
for _ in range(24):
    if os.fork() == 0:
        any(shared[offset] for offset in range(1, len(shared), 4096))
        time.sleep(60)
time.sleep(4)
os.killpg(0, 9)
"""


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str], list[threading.Thread]]:
    """Makes a function take half a second more; returns the list of the threads that it ran in."""

    def make(owner: Any, name: str) -> list[threading.Thread]:
        work, threads = getattr(owner, name), list[threading.Thread]()

        def slowly(*arguments: Any, **named: Any) -> Any:
            threads.append(threading.current_thread())
            time.sleep(0.5)
            return work(*arguments, **named)

        monkeypatch.setattr(owner, name, slowly)
        return threads

    return make


@asynccontextmanager
async def turning() -> AsyncIterator[list[float]]:
    """Yields a list whose first element is the loop's longest pause during the block, in seconds."""
    longest = [0.0]

    async def watch() -> None:
        at = time.monotonic()
        while True:
            await asyncio.sleep(0.001)
            before, at = at, time.monotonic()
            longest[0] = max(longest[0], at - before)

    task = asyncio.create_task(watch())
    try:
        await asyncio.sleep(0.01)
        yield longest
        await asyncio.sleep(0.01)  # the last pause must be measured too
    finally:
        task.cancel()


@pytest.mark.parametrize("builder", ["strict", "strict-watcher", "strict-single"])
async def test_file_systems_are_freed_outside_the_loop(builder: str, slow: Any) -> None:
    """fault_92: 600 000 empty files blocked all jobs for 1.3 s while the kernel freed them."""
    threads = slow(MemoryFileSystems, "close")
    async with turning() as longest:
        await run_python(BUILDERS[builder](), MANY_FILES, memory=1024)
    assert threads
    assert longest[0] < MOST_SECONDS


async def test_folders_are_removed_outside_the_loop(slow: Any) -> None:
    """fault_92: a scene's files in a level's temporary folder, or a large copy."""
    threads = slow(disk, "remove")
    async with turning() as longest:
        await run_shell(UnnamespacedSandbox(Level.NONE), "true")
        async with scripts.scratch() as folder:
            (folder / "file").touch()
    assert len(threads) == 3
    assert not folder.exists()
    assert longest[0] < MOST_SECONDS


@pytest.mark.skipif(cgroup.find() is None, reason="no control groups can be made here")
async def test_a_group_is_killed_outside_the_loop(slow: Any) -> None:
    """fault_92: half a second for processes that take time to die, and as much to remove their group."""
    killing, closing = slow(cgroup.ControlGroup, "kill"), slow(cgroup.ControlGroup, "close")
    async with turning() as longest:
        end = await run_shell(BUILDERS["strict"](), "sleep 60", limits=replace(LIMITS, wall_seconds=0.5))
    assert end.ending is Ending.TIMEOUT
    assert killing
    assert closing
    assert longest[0] < MOST_SECONDS


async def test_shared_memory_is_measured_outside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_92: 120 forks that share 900 MiB took 2.1 s per measurement, all of the worker's time."""
    measure, at_work, measured_at = resource_usage.proportional_bytes, [0], list[float]()

    def slowly(*arguments: Any, **named: Any) -> int:
        at_work[0] += 1
        assert at_work[0] == 1
        time.sleep(0.4)
        measured_at.append(time.monotonic())
        at_work[0] -= 1
        return measure(*arguments, **named)

    monkeypatch.setattr(resource_usage, "proportional_bytes", slowly)
    limits = replace(LIMITS, memory_bytes=1024 * MIB, wall_seconds=10)
    async with turning() as longest:
        await UnnamespacedSandbox(Level.NONE, use_cgroup=False).run(
            SandboxedRun(argv=(PYTHON, "-I", "-S", "-c", SHARERS), limits=limits, visible=RUNTIME)
        )
    assert longest[0] < MOST_SECONDS
    assert 2 <= len(measured_at) <= 4
    assert min(later - earlier for earlier, later in pairwise(measured_at)) > 1.5


async def test_a_clean_up_is_outside_the_loop(tmp_path: Path, slow: Any) -> None:
    """fault_92: a job's folder is removed after its end, whatever its size."""
    from tests.fakes.bench import Bench  # noqa: PLC0415

    from veriframe.worker.settlement.settling import clean_up  # noqa: PLC0415

    bench = Bench(tmp_path / "work")
    (job,) = await bench.post()
    attempt = bench.begin(job)
    folder = bench.context.workspace.empty(bench.context.workspace.rendered(job.id))
    threads = slow(disk, "remove")
    async with turning() as longest:
        await clean_up(attempt, bench.context)
    assert threads
    assert not folder.exists()
    assert longest[0] < MOST_SECONDS
