"""`make demo-real`: the classic loop on a real chain, two real IPFS nodes and a real Blender."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from tests.e2e.conftest import ROOT
from tests.e2e.embedded import wait_for
from tests.e2e.test_kill_mid_render import alive, descendants
from tests.nodes import find

pytestmark = pytest.mark.slow


def start(folder: Path, scene: Path) -> subprocess.Popen[str]:
    """Start the script as `make` does, with a light scene."""
    for node in ("kubo", "starknet-devnet"):
        find(node)
    return subprocess.Popen(
        [sys.executable, "-m", "tools.demo_real", "--output", folder, "--scene", scene],
        env={name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        cwd=ROOT,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_the_loop_ends_paid(tmp_path: Path, light_scene: Path) -> None:
    """Scene and picture go from node to node, the worker gets the reward, and every node ends."""
    process = start(tmp_path / "demo", light_scene)
    wait_for(lambda: (tmp_path / "demo" / "home-of-the-worker").exists() or process.poll() is not None, 300)
    inside = descendants(process.pid)
    answer, errors = process.communicate(timeout=600)
    assert process.returncode == 0, answer + errors
    with Image.open(tmp_path / "demo" / "picture.png") as picture:
        assert (picture.format, picture.size) == ("PNG", (96, 54))
    assert f"Job 1 is PAID: {tmp_path / 'demo' / 'picture.png'}" in answer
    (earned,) = re.findall(r"^Worker: PAID, earned ([0-9.]+) STRK after fees$", answer, re.MULTILINE)
    assert 1.5 < float(earned) < 2
    creator, worker, fees = (
        float(re.search(rf"^  {name} .*?(-?[0-9.]+)$", answer, re.MULTILINE)[1])  # type: ignore[index]
        for name in ("creator", "worker", "fees to the chain")
    )
    assert -2.5 < creator < -2 < 1.5 < worker < 2
    assert round(creator + worker + fees, 5) == 0
    assert alive(inside) == set()


def test_ctrl_c_ends_every_node(tmp_path: Path, light_scene: Path) -> None:
    """Interrupted during the run: exit code 130, and no process is left."""
    process = start(tmp_path / "demo", light_scene)
    log = tmp_path / "demo" / "home-of-the-worker" / "worker.log"
    wait_for(lambda: log.exists() or process.poll() is not None, 300)
    # Two IPFS nodes, the devnet and the worker, which starts after its log was opened.
    wait_for(lambda: len(descendants(process.pid)) >= 4, 60)
    inside = descendants(process.pid)
    process.send_signal(signal.SIGINT)
    answer, errors = process.communicate(timeout=60)
    assert process.returncode == 130, answer + errors
    assert "Stopped. Every node has ended." in answer
    assert "Traceback" not in errors
    assert alive(inside) == set()
