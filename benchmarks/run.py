"""Measures rendering, the sandbox and a job against the plain way, in one run: `make bench`.

Prints a table, or one object with `--json`. Every figure is measured in this run; none is asserted.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import structlog

from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox
from veriframe.adapters.blender.sandbox.run import RunLimits, Sandbox, SandboxedRun
from veriframe.demo.making import make_scene
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.quantities import FRI_PER_STRK
from veriframe.model.registry.offer import Offer
from veriframe.model.rendering.frames import RenderTask
from veriframe.ports.renderer import RenderSession
from veriframe.settings import Settings, load
from veriframe.wiring import creators, registries, renderers, stores, workers
from veriframe.worker.listener import Listener

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples"
FRAMES = tuple(range(1, 9))
LIGHT = ("--scale", "75")
"""A preview of 240×135: light frames, for which preparing the scene takes as long as the pixels."""
STARTS = 30
CALLS = 11
COMMANDS = ("--version", "--help", "config show", "job list")
JOBS = 5
OPENINGS = 5
SPARE_SECONDS = 3
"""Time for a spare to start."""
BUBBLE = ("bwrap", "--unshare-all", "--ro-bind", "/", "/")
"""The plainest sandbox: separate namespaces, with all files visible."""

Figures = dict[str, float]


async def animation(folder: Path, settings: Settings) -> Figures:
    """Seconds per frame for 8 light frames: one process per frame, against one sandboxed process."""
    scene = await make_scene(folder / "animation.blend", EXAMPLES / "animation.py", *LIGHT)
    renderer = await renderers.build_for_one(settings)
    task = RenderTask(frames=FRAMES)
    plain, ours = [], []
    # The two alternate, so that a slower machine slows both.
    for turn in range(2):
        plain.append(await asyncio.to_thread(_plainly, scene, folder / f"plain-{turn}"))
        out = folder / f"ours-{turn}"
        out.mkdir()
        started = time.monotonic()
        async with renderer.open(scene) as session:
            async for _ in session.frames(task, out):
                pass
        ours.append(time.monotonic() - started)
    frames = len(FRAMES)
    return {
        "plain_seconds_per_frame": min(plain) / frames,
        "ours_seconds_per_frame": min(ours) / frames,
        "times_faster": min(plain) / min(ours),
    }


def _plainly(scene: Path, out: Path) -> float:
    started = time.monotonic()
    for frame in FRAMES:
        subprocess.run(
            [sys.executable, HERE / "plain.py", scene, out / f"{frame:04d}", str(frame)],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=300,
        )
    return time.monotonic() - started


async def opening(folder: Path, settings: Settings) -> Figures:
    """Seconds from opening a small scene to its inspection, and on to the first progress of its render."""
    scene = await make_scene(folder / "opened.blend", EXAMPLES / "animation.py", *LIGHT)
    figures: Figures = {}
    for name, spares in (("cold", 0), ("warm", 1)):
        renderer = await renderers.build_renderer(settings.model_copy(update={"spares": spares}))
        opened, begun = [], []
        for turn in range(OPENINGS):
            await asyncio.sleep(SPARE_SECONDS)
            out = folder / f"{name}-{turn}"
            out.mkdir()
            started = time.monotonic()
            async with renderer.open(scene) as session:
                await session.inspect()
                opened.append(time.monotonic() - started)
                begun.append(await _first_progress(session, out))
        await renderer.close()
        figures[f"{name}_inspected_seconds"] = statistics.median(opened)
        figures[f"{name}_first_progress_seconds"] = statistics.median(begun)
    return figures


async def _first_progress(session: RenderSession, out: Path) -> float:
    started, at = time.monotonic(), list[float]()
    async for _ in session.frames(RenderTask(), out, on_progress=lambda _: at.append(time.monotonic())):
        pass
    return at[0] - started


async def sandbox() -> Figures:
    """Milliseconds that the sandbox adds to the start of a program that does nothing."""
    builder = BubblewrapSandbox()
    bare, bubble, sandboxed = [], [], []
    for _ in range(STARTS):
        bare.append(await _milliseconds(lambda: _start("/usr/bin/true")))
        bubble.append(await _milliseconds(lambda: _start(*BUBBLE, "/usr/bin/true")))
        sandboxed.append(await _milliseconds(lambda: _start_sandboxed(builder)))
    plain, least, ours = (statistics.median(each) for each in (bare, bubble, sandboxed))
    return {
        "plain_start_ms": plain,
        "bubble_start_ms": least,
        "sandboxed_start_ms": ours,
        "sandbox_adds_ms": ours - plain,
        "sandbox_times_bubble": ours / least,
    }


async def _start(*argv: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    await process.wait()


async def commands(home: Path) -> Figures:
    """Milliseconds to import the library of commands, and how many times as long light commands take."""
    lines: dict[str, tuple[str, ...]] = {"libraries": ("-c", "import typer, rich")}
    for command in COMMANDS:
        lines[command] = ("-m", "veriframe", "--home", str(home), *command.split())
    taken: dict[str, list[float]] = {name: [] for name in lines}
    for _ in range(CALLS):
        # In turns, so that a slower machine slows all.
        for name, line in lines.items():
            taken[name].append(await _milliseconds(partial(_start, sys.executable, *line)))
    plain = statistics.median(taken.pop("libraries"))
    times = {f"{name}_times": statistics.median(each) / plain for name, each in taken.items()}
    return {"libraries_ms": plain, **times}


async def _start_sandboxed(builder: Sandbox) -> None:
    limits = RunLimits(wall_seconds=10, memory_bytes=2**30)
    await builder.run(SandboxedRun(argv=("/usr/bin/true",), limits=limits))


async def _milliseconds(work: Callable[[], Awaitable[None]]) -> float:
    started = time.monotonic()
    await work()
    return 1000 * (time.monotonic() - started)


async def jobs(folder: Path, settings: Settings) -> Figures:
    """Median seconds from posted to claimed, and from rendered to submitted, on the embedded parts."""
    scene = await make_scene(folder / "job.blend", EXAMPLES / "animation.py")
    renderer = await renderers.build_renderer(settings)
    content = stores.open_store(settings)
    creator = creators.build_creator(settings, registries.embedded(settings, "creator"), content)
    finished: asyncio.Queue[Attempt] = asyncio.Queue()

    class Finished(Listener):
        def on_stage(self, before: Attempt, after: Attempt) -> None:
            if after.stage is Stage.SUBMITTED or after.code is not None:
                finished.put_nowait(after)

    registry = registries.embedded(settings, "worker")
    context = workers.build_context(settings, "worker", registry, renderer, content)
    context.listener.add(Finished())
    service = workers.build_service(settings, context)
    working = asyncio.create_task(service.run())
    claimed, submitted = [], []
    try:
        for _ in range(JOBS):
            draft = await creator.draft(scene, Offer(reward_fri=FRI_PER_STRK))
            posted = await creator.post(draft)
            at = time.time()
            reached = (await finished.get()).reached
            claimed.append(reached[Stage.CLAIMED] - at)
            submitted.append(reached[Stage.SUBMITTED] - reached[Stage.RENDERED])
            await creator.accept(posted.jobs[0])
    finally:
        service.drain()
        await working
        await renderer.close()
    return {
        "posted_to_claimed_seconds": statistics.median(claimed),
        "rendered_to_submitted_seconds": statistics.median(submitted),
    }


AIMS: dict[str, tuple[str, str]] = {
    "plain_seconds_per_frame": ("8 frames of 240×135, one process per frame: seconds per frame", ""),
    "ours_seconds_per_frame": ("8 frames of 240×135, one sandboxed process: seconds per frame", ""),
    "times_faster": ("… times faster", "at least 3"),
    "plain_start_ms": ("start of a program that does nothing, without a sandbox: ms", ""),
    "sandboxed_start_ms": ("… in the STRICT sandbox: ms", ""),
    "bubble_start_ms": ("… in a plain bubblewrap that hides nothing: ms", ""),
    "sandbox_times_bubble": ("… STRICT compared with that: times", ""),
    "sandbox_adds_ms": ("… added by the sandbox: ms", "under 50"),
    "libraries_ms": ("import of the library of commands (typer, rich): ms", ""),
    "--version_times": ("… `--version` compared with that: times", "at most 1.5"),
    "--help_times": ("… `--help`: times", "at most 1.5"),
    "config show_times": ("… `config show`: times", "at most 1.5"),
    "job list_times": ("… `job list`, embedded: times", "at most 3"),
    "cold_inspected_seconds": ("a small scene opened to inspected, without a spare: seconds", ""),
    "warm_inspected_seconds": ("… with a spare: seconds", ""),
    "cold_first_progress_seconds": ("from there to the first progress, without a spare: seconds", ""),
    "warm_first_progress_seconds": ("… with a spare: seconds", ""),
    "posted_to_claimed_seconds": ("job posted to claimed (fetched, checked, inspected): seconds", "under 1"),
    "rendered_to_submitted_seconds": ("rendered to submitted (validated, stored): seconds", "under 0.5"),
}


async def measure() -> Figures:
    """Measure all figures in one run."""
    with tempfile.TemporaryDirectory(prefix="veriframe-bench-") as name:
        folder = Path(name)
        settings = load({"home": str(folder / "home")}, {}).settings
        settings.home.mkdir()
        figures = await sandbox()
        figures |= await commands(settings.home)
        figures |= await animation(folder, settings)
        figures |= await opening(folder, settings)
        return figures | await jobs(folder, settings)


def main() -> None:
    """Measure, and print the figures."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    figures = asyncio.run(measure())
    if "--json" in sys.argv[1:]:
        print(json.dumps({name: round(value, 4) for name, value in figures.items()}, indent=2))
        return
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}")
    width = max(len(meaning) for meaning, _ in AIMS.values())
    for name, (meaning, aim) in AIMS.items():
        print(f"{meaning:<{width}}  {figures[name]:8.2f}  {'aim: ' + aim if aim else ''}".rstrip())


if __name__ == "__main__":
    main()
