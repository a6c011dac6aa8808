"""A still that four workers render, one of them slow: before and after denoising it is the whole render."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from tests.e2e.conftest import COMMAND, Home
from tests.e2e.embedded import wait_for

pytestmark = pytest.mark.slow

FAST = ("one", "two", "three")
SCENE = """
import os, sys
import bpy
bpy.ops.wm.read_factory_settings(use_empty=False)
scene = bpy.context.scene
scene.render.engine = "CYCLES"
scene.cycles.device, scene.cycles.samples, scene.cycles.use_adaptive_sampling = "CPU", 16, True
scene.cycles.use_denoising = True
scene.render.resolution_x, scene.render.resolution_y = 111, 77
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[1] + "/still.blend", compress=True)
settings = scene.render.image_settings
settings.file_format, settings.color_depth, settings.color_mode = "OPEN_EXR", "32", "RGBA"
for name, denoises in (("noisy", False), ("denoised", True)):
    scene.cycles.use_denoising, scene.render.filepath = denoises, f"{sys.argv[1]}/{name}.exr"
    bpy.ops.render.render(write_still=True)
os._exit(0)
"""


@pytest.fixture
def still(tmp_path: Path) -> Path:
    """A folder with the scene, and the pictures that Blender alone renders of it."""
    folder = tmp_path / "still"
    folder.mkdir()
    subprocess.run([sys.executable, "-c", SCENE, folder], check=True, timeout=200, capture_output=True)
    return folder


Workers = dict[str, subprocess.Popen[bytes]]


@pytest.fixture
def workers() -> Iterator[Workers]:
    """Workers that the test starts, each with an account of its own. They are ended after it."""
    started: Workers = {}
    yield started
    for process in started.values():
        process.send_signal(signal.SIGCONT)
        process.terminate()
    for process in started.values():
        process.wait(60)


def _start(home: Home, name: str) -> subprocess.Popen[bytes]:
    with (home.folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            [COMMAND, "--account", name, "worker"],
            env={**home.environment, "VERIFRAME_LOG_FORMAT": "json"},
            cwd=home.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def has(home: Home, order: str) -> dict[str, list[str]]:
    """The workers of an order's chunks, by state."""
    shown = home.run("order", "show", order, "--json")
    assert shown.returncode == 0, shown.stderr
    found: dict[str, list[str]] = {}
    for chunk in json.loads(shown.stdout)["chunks"]:
        found.setdefault(chunk["state"], []).append(chunk["worker"])
    return found


def _pixels(file: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    found: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = (
        OpenEXR.File(str(file)).channels()["RGBA"].pixels
    )
    return found


def test_four_workers_render_one_still(home: Home, still: Path, workers: Workers) -> None:
    """fault_227: nothing is merged before the slow one's tile has come; then not a bit is another one."""
    posting = ("order", "create", still / "still.blend", "--frames", "1", "--tiles", "2x2", "--price", "0.4")
    asked = ("--format", "exr", "--depth", "32", "--no-check", "--yes")
    assert home.run(*posting, *asked).returncode == 0
    # The slow one is alone at first, so that it takes a tile for certain.
    workers["slow"] = _start(home, "slow")
    wait_for(lambda: '"stage": "CLAIMED"' in (home.folder / "slow.log").read_text(), 120)
    workers["slow"].send_signal(signal.SIGSTOP)
    workers.update({name: _start(home, name) for name in FAST})
    wait_for(lambda: len(has(home, "1").get("there", [])) == 3, 120)
    early = home.run("order", "fetch", "1")
    assert (early.returncode, "a worker renders it" in early.stdout) == (0, True)
    assert not (home.folder / "order-1" / "frame_0001.exr").exists()
    workers["slow"].send_signal(signal.SIGCONT)
    wait_for(lambda: len(has(home, "1").get("there", [])) == 4, 120)
    # Which of the fast ones takes which tile is a race.
    assert len(set(has(home, "1")["there"])) >= 2
    assert home.run("order", "fetch", "1").returncode == 0
    assert home.run("order", "accept", "1").returncode == 0

    assert home.run(*posting, *asked, "--no-denoise").returncode == 0
    wait_for(lambda: len(has(home, "2").get("there", [])) == 4, 120)
    assert home.run("order", "fetch", "2").returncode == 0
    noisy = _pixels(home.folder / "order-2" / "frame_0001.exr")
    assert np.array_equal(noisy, _pixels(still / "noisy.exr"))
    denoised, right = _pixels(home.folder / "order-1" / "frame_0001.exr"), _pixels(still / "denoised.exr")
    assert np.abs(denoised - right).max() <= 1e-5
    # The denoiser works, so that both comparisons tell something.
    assert np.abs(denoised - noisy).max() > 1e-3
