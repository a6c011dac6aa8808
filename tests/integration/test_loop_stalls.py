"""Clean-up and measurement after a scene do not block the event loop, so other jobs continue."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.fakes.bench import ANY_STAKES, Bench
from tests.fakes.renderer import FakeRenderer, Script
from tests.integration.sandbox_runs import BUILDERS, LIMITS, MIB, PYTHON, RUNTIME, run_python, run_shell
from tests.scenes.blend_bytes import blend, block

from veriframe import disk
from veriframe.adapters.blender import scripts
from veriframe.adapters.blender.sandbox.levels.unnamespaced import UnnamespacedSandbox
from veriframe.adapters.blender.sandbox.limits import cgroup, resource_usage
from veriframe.adapters.blender.sandbox.output_mounts import MemoryFileSystems
from veriframe.adapters.blender.sandbox.run import Ending, Level, SandboxedRun
from veriframe.adapters.local_registry import LocalRegistry
from veriframe.adapters.local_store import LocalStore
from veriframe.adapters.sqlite_journal import SqliteJournal
from veriframe.model.attempt.attempt import Stage
from veriframe.model.attempt.policy import Policy
from veriframe.model.registry.offer import Offer
from veriframe.model.rendering.frames import RenderTask
from veriframe.worker.context import WorkerContext
from veriframe.worker.service import Service
from veriframe.worker.settlement.settling import clean_up
from veriframe.worker.shared.workspace import Workspace

pytestmark = pytest.mark.alone

MOST_SECONDS = 0.3
"""One iteration of the loop on a busy machine; the clean-up in these tests blocks for longer."""

MANY_FILES = """
import os, sys
for number in range(150_000):
    os.close(os.open(f"/tmp/{number:x}", os.O_CREAT))
"""
SLOTS, JOBS, FILES, SCENE_BYTES = 8, 32, 1000, 2**20

PROMISED_SECONDS = 0.05
"""The longest stretch without a turn while jobs are at work."""

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


def _own_time() -> float:
    """Monotonic seconds, less those in which this thread waited for a processor (`proc(5)`, schedstat)."""
    with suppress(OSError):
        _, waited_ns, _ = Path("/proc/thread-self/schedstat").read_text().split()
        return time.monotonic() - int(waited_ns) / 1e9
    return time.monotonic()


@asynccontextmanager
async def turning() -> AsyncIterator[list[float]]:
    """Yields a list whose first element is the loop's longest pause during the block, in seconds.

    While other processes have all processors, nothing has a turn: that is not counted.
    """
    longest = [0.0]

    async def watch() -> None:
        at = _own_time()
        while True:
            await asyncio.sleep(0.001)
            before, at = at, _own_time()
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


class WalkedRenderer(FakeRenderer):
    """Before each render, a folder of many files is measured, as the sandbox does meanwhile."""

    def __init__(self, litter: Path) -> None:
        super().__init__(capacity=SLOTS)
        self.scripts[b""] = Script(seconds=0.01)
        self._litter = litter

    async def before_frames(self, scene: Path, task: RenderTask, lease_seconds: float) -> None:
        """Walks through the folder."""
        assert not await asyncio.to_thread(resource_usage.exceeds, self._litter, 2**30)


async def test_eight_jobs_at_once_leave_the_loop_its_turns(
    tmp_path: Path, tell_line: Callable[[str], None]
) -> None:
    """The best of three runs: journal, registry, store and disk are real, and renders take no time."""
    Image.init()  # loaded once, by the fake renderer
    runs, longest = [tmp_path / str(run) for run in range(3)], list[float]()
    for folder in (litter := tmp_path / "litter", *runs):
        folder.mkdir()
    for number in range(FILES):
        (litter / f"{number:x}").touch()
    for folder in runs:
        longest.append(await _longest_pause(folder, litter))
    tell_line(f"longest pauses of the loop: {', '.join(f'{1000 * each:.0f} ms' for each in longest)}")
    assert min(longest) < PROMISED_SECONDS


async def _longest_pause(folder: Path, litter: Path) -> float:
    """Serves all jobs with eight slots. Returns the loop's longest pause, in seconds."""
    creator, registry = (LocalRegistry(folder / "registry.sqlite", name) for name in ("creator", "worker"))
    store, journal = LocalStore(folder / "store", 2**30), SqliteJournal(folder / "journal.sqlite")
    context = WorkerContext(
        registry=registry,
        store=store,
        renderer=WalkedRenderer(litter),
        journal=journal,
        workspace=Workspace(folder / "work", 2**30),
        policy=Policy(account=registry.account, stakes=ANY_STAKES),
    )
    terms = Offer(reward_fri=10**18).terms((await creator.snapshot(1, 0)).head.time)
    for number in range(JOBS // 2):
        scene = folder / "scene.blend"
        scene.write_bytes(blend(block(b"TEST", random.Random(number).randbytes(SCENE_BYTES))))
        await creator.create_order(await store.add(scene, f"scene-{number}"), terms, 2)
    service = Service(context, poll_seconds=0.02, idle_seconds=0.1)
    try:
        async with turning() as longest:
            assert await service.run(once=True)
    finally:
        await journal.close()
        creator.close()
        registry.close()
    stages = [attempt.stage for attempt in context.attempts.live()]
    assert stages == [Stage.SUBMITTED] * JOBS
    return longest[0]
