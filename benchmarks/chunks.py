"""Measures 24 light frames as eight chunks by one worker against one chunk, through the whole program.

Run `python -m benchmarks.chunks`. Every run has a home of its own, with the embedded registry and store; the
time is from the first claim to the last submission, by the worker's log.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMMAND = Path(sys.executable).with_name("veriframe")
FRAMES = 24
SIZES = (24, 3)
"""Frames in a chunk: one chunk, and eight."""

TURNS = 3


def main() -> None:
    """Prints the seconds of each way, and their ratio."""
    with tempfile.TemporaryDirectory(prefix="veriframe-bench-") as name:
        folder = Path(name)
        scene = folder / "light.blend"
        script = ROOT / "examples" / "animation.py"
        making: list[str | Path] = [sys.executable, script, scene, "--scale", "50", "--samples", "4"]
        subprocess.run(making, check=True, capture_output=True)
        found: dict[int, list[float]] = {size: [] for size in SIZES}
        # The ways alternate, so that a slower machine slows both.
        for turn in range(TURNS):
            for size in SIZES:
                found[size].append(seconds(folder / f"home-{turn}-{size}", scene, size))
                print(f"{FRAMES // size} × {size} frames: {found[size][-1]:.2f} s", flush=True)
    one, many = (statistics.median(found[size]) for size in SIZES)
    print(f"8 chunks against one: {many / one:.2f} ({many:.2f} s, {one:.2f} s; medians of {TURNS})")


def seconds(home: Path, scene: Path, size: int) -> float:
    """From the first claim to the last submission of 24 frames in chunks of this size."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment |= {
        "VERIFRAME_HOME": str(home),
        "VERIFRAME_LOG_FORMAT": "json",
        "VERIFRAME_NEW_CREATOR_JOBS": "8",
    }

    def run(*words: str | Path) -> str:
        ran = subprocess.run(
            [COMMAND, *words], env=environment, check=True, capture_output=True, text=True, timeout=600
        )
        return ran.stderr

    asked = ("--frames", f"1-{FRAMES}", "--chunk", str(size), "--reward", "1", "--frame-seconds", "60")
    run("order", "create", scene, *asked, "--yes", "--no-check")
    lines = [json.loads(line) for line in run("worker", "--once").splitlines() if line.startswith("{")]
    reached = [(one["stage"], one["timestamp"]) for one in lines if one["event"] == "stage_reached"]
    claims, ends = ([at for stage, at in reached if stage == wanted] for wanted in ("CLAIMED", "SUBMITTED"))
    if len(ends) != FRAMES // size:
        raise SystemExit(f"{len(ends)} of {FRAMES // size} chunks were submitted.")
    return (datetime.fromisoformat(max(ends)) - datetime.fromisoformat(min(claims))).total_seconds()


if __name__ == "__main__":
    main()
