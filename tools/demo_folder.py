"""The folder that a demo fills: emptied before each run, and never one that it did not make."""

from __future__ import annotations

import shutil
from pathlib import Path


def emptied(folder: Path, demo: str) -> Path:
    """Returns the folder, empty. Deletes only what an earlier run of the same demo left."""
    mark = folder / f".made-by-{demo}"
    if folder.exists() and not mark.exists():
        raise SystemExit(
            f"{demo}: {folder} exists and was not created by this demo. Choose another with --output."
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    mark.touch()
    return folder
