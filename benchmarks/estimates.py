"""Compares estimates of orders with what their frames take, over `examples/`: `make bench-estimates`.

Prints a row for each scene: the estimate of a frame with its error bar, what it took, and whether that is
within. Nothing is asserted; the aim is nine of ten.
"""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import structlog

from veriframe.creator.packing.packing import Packing
from veriframe.model.bundle.chunks import task_of
from veriframe.model.bundle.options import BundleOptions
from veriframe.model.rendering.overrides import Overrides
from veriframe.settings import load
from veriframe.wiring.packing import build_packing

EXAMPLES = Path(__file__).parent.parent / "examples"
FRAMES = {"animation": (1, 7, 13, 19, 24), "motion_blur": (1, 6, 12), "cinema": (1, 9, 17, 24)}
"""The frames that are estimated, and rendered; frame 1 of the other scenes."""

SCENES = ("animation", "textures", "motion_blur", "volume", "hair", "still", "eevee")
SAMPLES: dict[str, tuple[int | None, ...]] = {
    "cinema": (None,),
    "textures": (None, 512),
    "volume": (None, 16),
}
"""Samples in place of the scene's own, so that there are ten rows and more."""


def main() -> None:
    """Print the rows, with `--json` as objects."""
    rows = asyncio.run(measure())
    if "--json" in sys.argv:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        print("  ".join(f"{name} {value}" for name, value in row.items()))
    print(f"{sum(row['within'] for row in rows)} of {len(rows)} are within their error bar.")


async def measure() -> list[dict[str, Any]]:
    """All rows."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    rows = list[dict[str, Any]]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        packing = await build_packing(load({"home": name}, {}, None).settings)
        for scene in _scenes(folder):
            for samples in SAMPLES.get(scene.stem, (None,)):
                rows.append(await _row(packing, scene, folder / f"bundle-{len(rows)}", samples))
                print(rows[-1], file=sys.stderr, flush=True)
    return rows


def _scenes(folder: Path) -> Iterator[Path]:
    for name in SCENES:
        _run(EXAMPLES / f"{name}.py", folder / f"{name}.blend")
        yield folder / f"{name}.blend"
    _run(EXAMPLES / "production.py", folder / "production")
    yield folder / "production" / "shots" / "cinema" / "cinema.blend"


def _run(script: Path, target: Path) -> None:
    subprocess.run([sys.executable, script, target], check=True, stdout=subprocess.DEVNULL)


async def _row(packing: Packing, scene: Path, target: Path, samples: int | None) -> dict[str, Any]:
    """One scene: estimated first, and then rendered."""
    frames = FRAMES.get(scene.stem, (1,))
    asked = BundleOptions(
        frames=frames, chunk=len(frames), overrides=Overrides(samples=samples), proof_tiles=0
    )
    packed = await packing.pack(scene, target, asked)
    estimate = await packing.estimate(packed)
    with tempfile.TemporaryDirectory() as out:
        async with packing.renderer.open(packed.scene, packed.folder) as session:
            task = task_of(packed.bundle, 0, await session.inspect())
            taken = [frame.seconds async for frame in session.frames(task, Path(out))]
    # The first frame of several also prepares what all share, which counts as loading.
    actual = sum(taken[1:]) / len(taken[1:]) if len(taken) > 1 else taken[0]
    return {
        "scene": scene.stem,
        "samples": packed.verdict.inspection.samples,
        "estimated": round(estimate.frame_seconds, 2),
        "error": round(estimate.error_seconds, 2),
        "actual": round(actual, 2),
        "within": estimate.covers(actual),
    }


if __name__ == "__main__":
    main()
