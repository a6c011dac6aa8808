"""`make demo-film`: a production by three workers, up to its film."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import av
import pytest
from PIL import Image
from tests.e2e.conftest import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.thorough]


def test_the_film_has_every_frame(tmp_path: Path, light_scene: Path) -> None:
    """Packed, ordered, rendered by three workers, fetched, filmed and paid."""
    folder = tmp_path / "demo"
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "tools.demo_film", "--output", folder, "--scene", light_scene),
            *("--frames", "1-8", "--chunk", "2"),
        ],
        env={name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        cwd=ROOT,
        text=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=500,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count(" came from ") == 4
    with av.open(str(folder / "film.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) == 8
    with Image.open(folder / "frames.png") as sheet:
        assert sheet.size == (6 * 320, 2 * 180)
