"""Measures a chunk of light frames, with proofs and validation, against Blender's own animation render.

Run `python -m benchmarks.light_chunk` for this figure alone; `make bench` has it, too.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

from veriframe.demo.making import make_scene
from veriframe.model.rendering.frames import Frame, RenderTask
from veriframe.ports.renderer import Renderer
from veriframe.settings import Settings, load
from veriframe.wiring import renderers

HERE = Path(__file__).parent
TASK = RenderTask(frames=tuple(range(1, 25)), has_proof=True, has_thumbnail=True)
LIGHT = ("--scale", "150", "--samples", "4")
"""480×270."""

TURNS = 2


async def measure(folder: Path, settings: Settings) -> dict[str, float]:
    """Seconds for 24 light frames, each way, from the start of Blender to the last validated frame."""
    scene = await make_scene(folder / "chunk.blend", HERE.parent / "examples" / "animation.py", *LIGHT)
    renderer = await renderers.build_for_one(settings)
    plain, ours = [], []
    # The two alternate, so that a slower machine slows both.
    for turn in range(TURNS):
        place = folder / f"chunk-{turn}"
        place.mkdir()
        plain.append(await asyncio.to_thread(_plainly, scene, place))
        ours.append(await _chunk(renderer, scene, place))
    return {
        "plain_chunk_seconds": min(plain),
        "chunk_seconds": min(ours),
        "chunk_ratio": min(ours) / min(plain),
    }


def _plainly(scene: Path, out: Path) -> float:
    started = time.monotonic()
    subprocess.run(
        [sys.executable, HERE / "plain_animation.py", scene, out, "1", str(len(TASK.frames))],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=300,
    )
    return time.monotonic() - started


async def _chunk(renderer: Renderer, scene: Path, place: Path) -> float:
    """Validates while it renders: each time, all frames that have come meanwhile."""
    arriving = place / "arriving"
    arriving.mkdir()
    started, waiting, validating = time.monotonic(), list[Frame](), None
    async with renderer.open(scene) as session:
        async for frame in session.frames(TASK, arriving):
            waiting.append(frame)
            if validating is None or validating.done():
                validating = asyncio.create_task(_validate(renderer, waiting, place))
                waiting = []
    if validating is not None:
        await validating
    await _validate(renderer, waiting, place)
    return time.monotonic() - started


async def _validate(renderer: Renderer, frames: Sequence[Frame], place: Path) -> None:
    if not frames:
        return
    batch = place / f"batch-{frames[0].number}"
    out, clean = batch / "out", batch / "clean"
    for folder in (out, clean):
        folder.mkdir(parents=True)
    for frame in frames:
        for name in TASK.rendered_files(frame.number):
            (place / "arriving" / name).rename(out / name)
    await renderer.validate(TASK, frames, out, clean)


async def _alone() -> None:
    with tempfile.TemporaryDirectory(prefix="veriframe-bench-") as name:
        settings = load({"home": f"{name}/home"}, {}).settings
        settings.home.mkdir()
        print(await measure(Path(name), settings))


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    asyncio.run(_alone())
