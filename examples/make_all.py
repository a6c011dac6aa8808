"""Makes every example scene, each in its own Python process: `python examples/make_all.py FOLDER`."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

SCENES = (
    *("still", "textures", "volume", "hair", "motion_blur", "animation", "eevee"),
    *("caustics", "fur", "fog"),
)
"""The scripts in this folder."""

HERE = Path(__file__).resolve().parent
LIMIT_SECONDS = 120


def make(name: str, folder: Path) -> Path:
    """Writes one scene to `folder/name.blend`. Exits with Blender's output if that fails."""
    out = folder / f"{name}.blend"
    out.unlink(missing_ok=True)
    started = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, str(HERE / f"{name}.py"), str(out)],
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        sys.exit(f"{name}.py took longer than {LIMIT_SECONDS} s.")
    if done.returncode or not out.is_file():
        sys.exit(f"{name}.py wrote no scene (exit code {done.returncode}):\n{done.stderr[-2000:]}")
    seconds, size = time.monotonic() - started, out.stat().st_size / 1024
    print(f"{out}  {size:.0f} KiB in {seconds:.1f} s", flush=True)
    return out


def main() -> None:
    """Makes all scenes."""
    if len(sys.argv) != 2:
        sys.exit("Usage: python examples/make_all.py FOLDER")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in SCENES:
        make(name, folder)


if __name__ == "__main__":
    main()
