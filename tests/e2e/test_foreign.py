"""A worker process at foreign registries: killed at any point, and not registered at first."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starknet_py.hash.selector import get_selector_from_name
from tests.deployed import deploy
from tests.e2e.conftest import ROOT, Home
from tests.e2e.embedded import PROGRAM, WAIT_SECONDS, wait_for
from tests.e2e.foreign_chain import ARTIFACTS, WORKER, open_classic, post_classic, post_guild, verify_worker
from tests.nodes import Devnet, devnet, kubo
from tests.proxy import Proxy
from tests.scenes.blend_bytes import blend, block
from tests.waiting import until

from veriframe.adapters.starknet.cairo.codec import halves
from veriframe.model.attempt.attempt import Stage
from veriframe.settings import Settings, load
from veriframe.wiring import stores, workers

pytestmark = pytest.mark.slow

WAY = ("SEEN", "FETCHED", "CHECKED", "CLAIMED", "RENDERED", "VALIDATED", "STORED", "SUBMITTED")


@pytest.fixture(scope="module")
def node() -> Iterator[Devnet]:
    """One chain for this module; each test has its own registry."""
    with devnet() as running:
        yield running


@pytest.fixture(scope="module")
def classic(node: Devnet) -> int:
    """A registry in which our worker is registered."""
    return open_classic(node)


def known(node: Devnet, registry: int, home: Path) -> dict[str, str]:
    """The settings of a worker at this registry."""
    return {
        "home": str(home),
        "job_registry_address": hex(registry),
        "starknet_rpc": node.url,
        "devnet_account": str(WORKER),
        "store": "local",
        "disk_free_bytes": "1MB",
        "poll_seconds": "0.1",
    }


def start(plan: dict[str, object], settings: dict[str, str], *command: str) -> subprocess.Popen[str]:
    """Start a worker with a fake Blender, which may kill the process."""
    given = [f"--set={name}={value}" for name, value in settings.items() if name != "home"]
    return subprocess.Popen(
        [sys.executable, PROGRAM, json.dumps(plan), "--home", settings["home"], *given, "worker", *command],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=(Path(settings["home"]) / "log").open("a"),
    )


def stages(settings: Settings) -> list[Stage]:
    """The stages of the worker's attempts."""

    async def read() -> list[Stage]:
        async with workers.opened_journal(settings, "worker") as journal:
            return [attempt.stage for attempt in await journal.history()]

    return asyncio.run(read())


def nonce(node: Devnet) -> int:
    """The number of the worker's transactions."""
    address = hex(node.accounts[WORKER].address)
    return int(node.ask("starknet_getNonce", contract_address=address, block_id="latest"), 16)


@pytest.mark.parametrize(
    ("stage", "noted"), [*((stage, False) for stage in WAY), ("CLAIMED", True), ("SUBMITTED", True)]
)
def test_kill_9_at_any_stage(node: Devnet, classic: int, tmp_path: Path, stage: str, noted: bool) -> None:
    """fault_73: without claims in the registry, the next run resumes and submits once."""
    scene = tmp_path / "scene.blend"
    scene.write_bytes(blend(block(b"TEST")))
    settings = load({"home": str(tmp_path)}, {}).settings
    asset_cid = asyncio.run(stores.open_store(settings).add(scene, "order-asset"))
    post_classic(node, classic, asset_cid)
    given = known(node, classic, tmp_path)
    settings = load(given, {}).settings
    before = nonce(node)
    killed = start({"die": stage, "noted": noted}, given, "--once")
    assert killed.wait(WAIT_SECONDS) == -signal.SIGKILL, (tmp_path / "log").read_text()
    again = start({}, given)
    try:
        wait_for(lambda: stages(settings) == [Stage.PAID])
        again.send_signal(signal.SIGTERM)
        assert again.wait(WAIT_SECONDS) == 0, (tmp_path / "log").read_text()
    finally:
        again.kill()
        again.wait()
    assert nonce(node) == before + 1
    renders = (tmp_path / "renders").read_text().split()
    # Each frame is noted when it arrives, so that none is rendered twice.
    assert len(renders) == 1
    (notes,) = tmp_path.glob("claims-*.sqlite")
    assert notes.stat().st_mode & 0o777 == 0o600


def test_two_workers_share_the_jobs(node: Devnet, tmp_path: Path) -> None:
    """fault_170: without claims in the registry each job is paid once, and few are rendered twice."""
    other, jobs = 2, 8
    registry = open_classic(node, other)
    homes = {number: tmp_path / str(number) for number in (WORKER, other)}
    for home in homes.values():
        home.mkdir()
    scene = tmp_path / "scene.blend"
    scene.write_bytes(blend(block(b"TEST")))
    settings = load({"home": str(homes[WORKER])}, {}).settings
    asset_cid = asyncio.run(stores.open_store(settings).add(scene, "order-asset"))
    shutil.copytree(homes[WORKER] / "store", homes[other] / "store")
    post_classic(node, registry, asset_cid, *(1000 + number for number in range(jobs)))
    runs = [
        start(
            {"seconds": 1.0},
            known(node, registry, home) | {"devnet_account": str(number), "idle_seconds": "0.5"},
            "--once",
        )
        for number, home in homes.items()
    ]
    assert [run.wait(4 * WAIT_SECONDS) for run in runs] == [0, 0]
    events = [event for home in homes.values() for event in _events((home / "log").read_text())]
    moves = [event for event in events if event["event"] == "registry_move"]
    assert sorted(event["job_id"] for event in moves if "refused" not in event) == list(range(1, jobs + 1))
    renders = [line for home in homes.values() for line in (home / "renders").read_text().split()]
    assert len(renders) <= jobs * 3 // 2
    lost = [event for event in events if event["event"] == "attempt_finished" and event["stage"] == "LOST"]
    # A job that was submitted between two reads may be one that the registry does not show to us.
    reasons = {"Another worker was faster.", "The registry no longer knows the job."}
    assert {event["reason"] for event in lost} <= reasons


async def test_a_worker_starts_before_its_node(node: Devnet, classic: int, tmp_path: Path) -> None:
    """fault_167: it says what it waits for, and begins once the node is there. A signal ends a wait."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    early = known(node, classic, tmp_path) | {"starknet_rpc": f"http://127.0.0.1:{port}"}
    log = tmp_path / "log"
    for comes in (False, True):
        log.write_text("")
        worker = start({}, early)
        try:
            await until(lambda: '"waiting"' in log.read_text())
            if comes:
                async with Proxy(node.url, port=port):
                    await until(lambda: '"worker_started"' in log.read_text())
            worker.send_signal(signal.SIGINT)
            assert await asyncio.to_thread(worker.wait, WAIT_SECONDS) == 0
        finally:
            worker.kill()
            worker.wait()
        events = [event["event"] for event in _events(log.read_text())]
        assert ("worker_started" in events, "worker_stopping" in events) == (comes, True)


def test_a_damaged_claims_file_stops_the_worker(node: Devnet, classic: int, tmp_path: Path) -> None:
    """fault_76: exit code 2 with the remedy; the file is not replaced by an empty one."""
    notes = tmp_path / f"claims-{classic:x}-{node.accounts[WORKER].address:x}.sqlite"
    notes.write_text("SQLite format 3")
    assert start({}, known(node, classic, tmp_path), "--once").wait(WAIT_SECONDS) == 2
    said = (tmp_path / "log").read_text()
    assert "is damaged" in " ".join(said.split())
    assert "Traceback" not in said


def test_a_worker_registers_is_verified_and_serves(home: Home, light_scene: Path, node: Devnet) -> None:
    """fault_171: with the classic entry point, at a registry with other functions and ids; frame 1 as PNG."""
    with kubo() as ipfs:
        options = ("--cid-version=1", "--raw-leaves", "--chunker=size-262144", "--max-file-links=174")
        asset_cid = ipfs.run("add", "-Q", *options, light_scene).decode().strip()
        registry = post_guild(node, asset_cid)
        classic = {
            "STARKNET_RPC": node.url,
            "JOB_REGISTRY_ADDRESS": hex(registry),
            "IPFS_API": ipfs.api_multiaddr,
            "VERIFRAME_DEVNET_ACCOUNT": str(WORKER),
        }
        main: list[str | Path] = [sys.executable, ROOT / "src" / "main.py", "--once"]
        idle = home.run_as(main, classic)
        assert idle.returncode == 4, idle.stderr
        left = [event for event in _events(idle.stderr) if event["event"] == "job_left"]
        assert [(event["job_id"], "registered" in event["reason"]) for event in left] == [(1, True)]
        told = [event for event in _events(idle.stderr) if event["event"] == "account_not_admitted"]
        assert ["account register" in event["remedy"] for event in told] == [True]
        assert "account register" in _standing(home, classic)["remedy"]
        registered = home.run("account", "register", "--json", environment=classic)
        assert registered.returncode == 0, registered.stderr
        assert json.loads(registered.stdout)["standing"] == "not verified, reputation 0"
        verify_worker(node, registry)
        assert _standing(home, classic)["detail"] == "registered, verified, reputation 0"
        served = [home.run_as(main, classic) for _ in range(2)]
        assert [run.returncode for run in served] == [0, 0], served[0].stderr
        events = _events(served[0].stderr + served[1].stderr)
        (finished,) = [event for event in events if event["event"] == "attempt_finished"]
        assert finished["stage"] == "PAID"
        assert _result_at(node, registry) == halves(finished["result_cid"].encode())
        picture = home.folder / "picture.png"
        picture.write_bytes(ipfs.run("cat", finished["result_cid"]))
        with Image.open(picture) as opened:
            assert (opened.format, opened.size) == ("PNG", (96, 54))


def test_a_registry_without_room_for_a_cid_is_refused(home: Home, node: Devnet) -> None:
    """With one clear line before anything is rendered, and without a wrong CID."""
    registry = asyncio.run(deploy(node, ARTIFACTS / "felt_short_registry"))
    environment = {
        "STARKNET_RPC": node.url,
        "JOB_REGISTRY_ADDRESS": hex(registry),
        "VERIFRAME_DEVNET_ACCOUNT": str(WORKER),
        "VERIFRAME_STORE": "local",
    }
    ran = home.run("worker", "--once", environment=environment)
    assert ran.returncode == 2
    assert "one short string holds 31 characters" in " ".join(ran.stderr.split())
    assert "Traceback" not in ran.stderr


def _events(stderr: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stderr.splitlines() if line[:1] == "{"]


def _standing(home: Home, environment: dict[str, str]) -> dict[str, str]:
    ran = home.run("doctor", "--no-engines", "--json", environment=environment)
    parts = {part["part"]: part for part in json.loads(ran.stdout)["parts"]}
    found: dict[str, str] = parts["standing"]
    return found


def _result_at(node: Devnet, registry: int) -> tuple[int, ...]:
    selector = hex(get_selector_from_name("get_job_result"))
    request = {"contract_address": hex(registry), "entry_point_selector": selector, "calldata": ["0x0"]}
    return tuple(int(felt, 16) for felt in node.ask("starknet_call", request=request, block_id="latest"))
