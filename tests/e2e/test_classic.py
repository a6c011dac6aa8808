"""The classic entry point, `python src/main.py`, with the classic environment."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from tests.e2e.conftest import ROOT, Home

pytestmark = pytest.mark.slow

MAIN = ROOT / "src" / "main.py"


def test_a_job_is_rendered_and_fetched(home: Home, light_scene: Path) -> None:
    """Worker and creator in several processes: posted, rendered at frame 1 to PNG, accepted, paid."""
    created = home.run("job", "create", light_scene, "--reward", "2", "--yes", "--json")
    assert created.returncode == 0, created.stderr
    assert json.loads(created.stdout)["job_ids"] == [1]
    with subprocess.Popen(
        [sys.executable, MAIN], env=home.environment, cwd=home.folder, stderr=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stderr is not None
        events = []
        for line in worker.stderr:
            events.append(json.loads(line))
            if events[-1]["event"] == "stage_reached" and events[-1]["stage"] == "SUBMITTED":
                assert home.run("job", "fetch", "1", "-o", "picture.png").returncode == 0
                assert home.run("job", "accept", "1").returncode == 0
            if events[-1]["event"] == "attempt_finished":
                worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    finished = next(event for event in events if event["event"] == "attempt_finished")
    assert (finished["stage"], finished["earned"]) == ("PAID", "2 STRK")
    with Image.open(home.folder / "picture.png") as picture:
        assert (picture.format, picture.size) == ("PNG", (96, 54))
    held = json.loads(home.run("account", "show", "--json").stdout)
    assert int(held["wallet_fri"]) + int(held["credit_fri"]) == 1002 * 10**18


@pytest.mark.parametrize(
    ("environment", "words", "code"),
    [
        ({}, "keystore", 2),
        ({"VERIFRAME_DEVNET_ACCOUNT": "0", "STARKNET_RPC": "http://127.0.0.1:9"}, "127.0.0.1:9", 3),
        ({"STARKNET_RPC": "ftp://node"}, "keystore", 2),
        ({"JOB_REGISTRY_ADDRESS": "registry"}, "job_registry_address", 2),
    ],
    ids=["no key", "no node", "no key before a bad address", "no address"],
)
def test_missing_settings_of_a_chain_are_reported(
    home: Home, environment: dict[str, str], words: str, code: int
) -> None:
    """fault_58, fault_78: one clear line, no traceback. Without --once a worker waits for its node."""
    ran = home.run_as([sys.executable, MAIN, "--once"], {"JOB_REGISTRY_ADDRESS": "0x1", **environment})
    assert ran.returncode == code, ran.stderr
    assert words in ran.stderr
    assert "Traceback" not in ran.stderr
