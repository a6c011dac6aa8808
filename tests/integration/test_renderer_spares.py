"""Blenders that are started ahead, in every sandbox: each gets one scene, and nothing of them stays."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import structlog
from tests import ordinary
from tests.integration import renderer_scenes
from tests.integration.sandbox_runs import (
    BUILDERS,
    open_folder,
    own_temporary_folder,
    processes_with,
    temporary,
)
from tests.integration.test_renderer_hostile import COMMAND, INSPECTED, LIMITS, Shell, send

from veriframe.adapters.blender import runtimes
from veriframe.adapters.blender.renderer import BlenderRenderer
from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox
from veriframe.adapters.blender.spares import SpareLimits
from veriframe.model.rendering.frames import RenderTask

__all__ = ["open_folder", "own_temporary_folder"]

READY = send({"kind": "ready"})
OBEY = f"{COMMAND}; grep -q ours /job/scene.blend && {send(INSPECTED)}; {COMMAND}"
"""Inspects only the right scene, which must be there by then."""


def renderer_of(script: str, **limits: int) -> BlenderRenderer:
    """Returns a renderer that starts this shell script ahead."""
    spares = SpareLimits(**{"most": 1, **limits})
    return BlenderRenderer(Shell(script), BubblewrapSandbox(), limits=LIMITS, spares=spares)


async def filled(renderer: BlenderRenderer) -> None:
    """Waits until what is started ahead is ready."""
    renderer.start_ahead()
    if (filling := renderer._spares._filling) is not None:
        await filling


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """Returns a placeholder for a scene that the sandbox user may read."""
    file = tmp_path / "scene.blend"
    file.write_text("ours")
    file.chmod(0o644)
    return file


@pytest.mark.parametrize("mode", [0o644, 0o600])
async def test_a_scene_goes_to_the_one_that_waits(scene: Path, mode: int) -> None:
    """Even if only the worker may read it. Another one is started for the next scene."""
    scene.chmod(mode)  # noqa: ASYNC240 - a small file of a test
    mark = f"spare-{time.monotonic_ns()}"
    renderer = renderer_of(f": {mark}; {READY}; {OBEY}")
    await filled(renderer)
    (waiting,) = bash_with(mark)
    async with renderer.open(scene) as session:
        assert (await session.inspect()).camera == "Camera"
        assert waiting in bash_with(mark)
        await filled(renderer)
        assert len(bash_with(mark)) == 2
    assert waiting not in bash_with(mark)
    assert len(bash_with(mark)) == 1
    await renderer.close()
    assert processes_with(mark) == []
    assert scene.read_text() == "ours"  # noqa: ASYNC240
    assert scene.stat().st_mode & 0o777 == mode  # noqa: ASYNC240


def bash_with(mark: str) -> list[int]:
    """Returns the shells that take Blender's place."""
    return [pid for pid in processes_with(mark) if Path(f"/proc/{pid}/comm").read_text() == "bash\n"]


async def test_each_gets_one_scene_and_nothing_of_another(tmp_path: Path) -> None:
    """What one left behind in its sandbox, the next one does not see."""
    look = "cat /job/scene.blend; ls -A /out /tmp /dev/shm; touch /out/x /tmp/x /dev/shm/x"
    listing = f"{COMMAND}; {look}; {send(INSPECTED)}"
    renderer = renderer_of(f"{READY}; {listing}; sleep 60")
    seen = []
    for name in ("a", "b", "c"):
        scene = tmp_path / f"{name}.blend"
        scene.write_text(f"{name}\n")
        await filled(renderer)
        with structlog.testing.capture_logs() as logged:
            async with renderer.open(scene) as session:
                await session.inspect()
        seen.append([event["line"] for event in logged if event["event"] == "blender_output"])
    await renderer.close()
    assert seen == [[name, "/dev/shm:", "/out:", "/tmp:"] for name in ("a", "b", "c")]


async def test_its_log_lines_belong_to_the_job_that_gets_it(scene: Path) -> None:
    """fault_200: they carried the number of the job during which it was started."""
    renderer = renderer_of(f"echo early; {READY}; {COMMAND}; echo late; {send(INSPECTED)}; {COMMAND}")
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logged:
        with structlog.contextvars.bound_contextvars(job_id=1):
            await filled(renderer)
        with structlog.contextvars.bound_contextvars(job_id=2):
            async with renderer.open(scene) as session:
                await session.inspect()
    await renderer.close()
    said = [(event["line"], event.get("job_id")) for event in logged if event["event"] == "blender_output"]
    assert said[:2] == [("early", None), ("late", 2)]


async def test_an_open_does_not_wait_for_one(scene: Path) -> None:
    """If none is ready, it starts its own."""
    renderer = renderer_of(f"sleep 5; {READY}; {OBEY}")
    renderer.start_ahead()
    async with renderer.open(scene) as session:
        assert (await session.inspect()).camera == "Camera"
    await renderer.close()


async def test_a_dead_one_is_replaced(scene: Path) -> None:
    """It is not the scene's fault."""
    mark = f"spare-{time.monotonic_ns()}"
    renderer = renderer_of(f": {mark}; {READY}; {OBEY}")
    await filled(renderer)
    for pid in bash_with(mark):
        os.kill(pid, signal.SIGKILL)
    (waiting,) = renderer._spares._waiting
    while not waiting.is_over:  # noqa: ASYNC110 - nothing else tells
        await asyncio.sleep(0.01)
    async with renderer.open(scene) as session:
        assert (await session.inspect()).camera == "Camera"
    await renderer.close()
    assert processes_with(mark) == []


@pytest.mark.parametrize(
    ("script", "limits"),
    [(f"{READY}; {OBEY}", {"memory_bytes": 1}), (f"[ -e /job/scene.blend ] && {OBEY}", {})],
)
async def test_one_that_is_too_large_or_ends_is_not_kept(
    scene: Path, script: str, limits: dict[str, int]
) -> None:
    """Nor is another one tried; scenes are still opened."""
    renderer, before = renderer_of(script, **limits), temporary()
    with structlog.testing.capture_logs() as logged:
        for _ in range(2):
            await filled(renderer)
            assert temporary() <= before
            async with renderer.open(scene) as session:
                assert (await session.inspect()).camera == "Camera"
    assert [event["event"] for event in logged].count("spare_not_kept") == 1
    assert [event["event"] for event in logged].count("blender_started") == 3
    await renderer.close()


async def test_none_is_started_if_none_is_wanted(scene: Path) -> None:
    """The setting is 0."""
    renderer = renderer_of(f"{READY}; {OBEY}", most=0)
    with structlog.testing.capture_logs() as logged:
        await filled(renderer)
        async with renderer.open(scene) as session:
            await session.inspect()
    assert [event["event"] for event in logged].count("blender_started") == 1


async def test_closing_removes_everything_even_while_one_starts(scene: Path) -> None:
    """And nothing is started ahead after that."""
    mark, before = f"spare-{time.monotonic_ns()}", temporary()
    renderer = renderer_of(f": {mark}; sleep 60; {READY}")
    renderer.start_ahead()
    await asyncio.sleep(0.1)
    await renderer.close()
    assert processes_with(mark) == []
    assert temporary() <= before
    renderer.start_ahead()
    assert renderer._spares._filling is None or renderer._spares._filling.done()


async def test_a_large_scene_on_another_disk_is_not_copied(
    scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is shown to a Blender of its own; the other one waits on."""

    def refuse(source: Path, target: Path) -> None:
        raise OSError("another disk")

    monkeypatch.setattr("os.link", refuse)
    monkeypatch.setattr("veriframe.adapters.blender.sandbox.visible.MOST_COPIED_BYTES", 3)
    renderer = renderer_of(f"{READY}; {OBEY}")
    await filled(renderer)
    (waiting,) = renderer._spares._waiting
    async with renderer.open(scene) as session:
        assert (await session.inspect()).camera == "Camera"
    assert list(renderer._spares._waiting) == [waiting]
    await renderer.close()


@pytest.mark.slow
@pytest.mark.parametrize("builder", BUILDERS)
async def test_blender_waits_at_every_level(builder: str, open_folder: Path) -> None:
    """fault_44: with the sandbox user's permissions; it renders the same picture."""
    file = open_folder / "scene.blend"
    file.write_bytes(renderer_scenes.make())
    file.chmod(0o644)
    digests = []
    for most in (0, 1):
        renderer = BlenderRenderer(runtimes.BpyWheel(), BUILDERS[builder](), spares=SpareLimits(most=most))
        await filled(renderer)
        assert len(renderer._spares._waiting) == most
        out, clean = (open_folder / f"{name}-{most}" for name in ("out", "clean"))
        out.mkdir()
        clean.mkdir()
        async with renderer.open(file) as session:
            inspection = await session.inspect()
            task = RenderTask(size=(inspection.width, inspection.height))
            frames = [frame async for frame in session.frames(task, out)]
        (validated,) = await renderer.validate(task, frames, out, clean)
        digests.append(validated.pixel_digest)
        await renderer.close()
    assert digests[0] == digests[1]


_WORKER = """
import asyncio, contextlib, os, pathlib, sys, tempfile
from tests.integration import sandbox_runs, test_renderer_spares as spares
from tests.integration.test_renderer_hostile import LIMITS, Shell
from veriframe.adapters.blender.renderer import BlenderRenderer
from veriframe.adapters.blender.spares import SpareLimits

async def main():
    builder, mark, folder, state = sys.argv[1:]
    tempfile.tempdir = folder
    script = f": {mark}; {spares.READY}; {spares.COMMAND}; {spares.send(spares.INSPECTED)}; sleep 60"
    sandbox = sandbox_runs.BUILDERS[builder]()
    renderer = BlenderRenderer(Shell(script), sandbox, limits=LIMITS, spares=SpareLimits(most=1))
    await spares.filled(renderer)
    async with contextlib.AsyncExitStack() as stack:
        if state == "frozen":
            scene = pathlib.Path(folder, "scene.blend")
            scene.write_text("scene")
            session = await stack.enter_async_context(renderer.open(scene))
            await session.inspect()
        os.write(1, b"up\\n")
        await asyncio.sleep(60)

asyncio.run(main())
"""


def left_by_a_killed_worker(builder: str, folder: str, state: str) -> list[int]:
    """Returns the processes of a waiting Blender whose worker was killed.

    It is a spare, or has inspected a scene and is frozen.
    """
    mark = f"spare-{time.monotonic_ns()}"
    with subprocess.Popen(
        [sys.executable, "-c", _WORKER, builder, mark, folder, state],
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.defpath},
    ) as worker:
        assert worker.stdout is not None
        while worker.stdout.readline() != b"up\n":
            assert worker.poll() is None
        assert processes_with(mark)
        worker.kill()
    deadline = time.monotonic() + 5
    while (left := processes_with(mark)) and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return left


@pytest.mark.parametrize("state", ["spare", "frozen"])
@pytest.mark.parametrize("builder", BUILDERS)
def test_one_that_waits_does_not_outlive_its_worker(builder: str, state: str, open_folder: Path) -> None:
    """fault_73: it is killed with it, although it is stopped."""
    assert left_by_a_killed_worker(builder, str(open_folder), state) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="the other ran as this user already")
@pytest.mark.parametrize("state", ["spare", "frozen"])
@pytest.mark.parametrize("builder", ["strict", "landlock"])
def test_it_does_not_outlive_an_ordinary_users_worker(builder: str, state: str) -> None:
    """fault_73: with a single bubblewrap."""
    script = """
import sys, tempfile
from tests.integration import test_renderer_spares as spares
with tempfile.TemporaryDirectory() as folder:
    print(spares.left_by_a_killed_worker(sys.argv[1], folder, sys.argv[2]))
"""
    assert ordinary.run(script, builder, state) == "[]\n"
