"""Worker, creator or node killed during a large transfer over IPFS: every job still ends correctly.

The command line is the real one, the node is a real Kubo; only Blender is a fake.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.e2e.conftest import COMMAND, ROOT
from tests.e2e.embedded import REWARD_FRI, Embedded
from tests.nodes import Kubo, kubo
from tests.scenes.blend_bytes import blend, block
from tests.wire import Wire, wire

from veriframe.adapters.kubo.files.staging import PREFIX
from veriframe.adapters.kubo.store import KuboStore
from veriframe.model.attempt.attempt import Stage
from veriframe.model.registry.pin_names import PinNames
from veriframe.ports.store import FetchLimits, Pin
from veriframe.wiring import registries

pytestmark = pytest.mark.slow

BIG_BYTES = 48 * 2**20
SLACK_BYTES = 2 * 2**20
"""Bytes of other traffic: headers, pins, the root block."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubo]:
    """One Kubo for all tests in this module."""
    with kubo(tmp_path_factory.mktemp("kubo")) as started:
        yield started


@pytest.fixture
def scene(embedded: Embedded) -> Path:
    """A large scene, different in each test."""
    path = embedded.home / "big.blend"
    path.write_bytes(blend(block(b"TEST", random.Random(str(embedded.home)).randbytes(BIG_BYTES))))
    return path


def job(embedded: Embedded, api: str, *words: str | Path) -> subprocess.Popen[str]:
    """Start `veriframe job` with this API."""
    process = subprocess.Popen(
        [COMMAND, "--home", embedded.home, "job", *words, "--json"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT / 'src'}", "IPFS_API": api},
        cwd=embedded.home,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    embedded.started.append(process)
    return process


def create(embedded: Embedded, api: str, scene: Path) -> subprocess.Popen[str]:
    """Start `veriframe job create` with this API."""
    return job(embedded, api, "create", scene, "--reward", "5", "--yes", "--no-check")


def posted(embedded: Embedded, node: Kubo, scene: Path) -> str:
    """Post the scene without interruption. Returns its CID."""
    answer, errors = create(embedded, node.api_url, scene).communicate(timeout=120)
    assert answer, errors
    return str(json.loads(answer)["asset_cid"])


def work(embedded: Embedded, api: str) -> subprocess.Popen[str]:
    """Start a worker with this API."""
    return embedded.start({}, "--set", f"ipfs_api={api}", "worker")


def same(one: Path, other: Path) -> bool:
    """Whether two files have the same bytes."""
    return one.read_bytes() == other.read_bytes()


async def until(happened: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until a condition holds, while the wire keeps serving."""
    async with asyncio.timeout(seconds):
        while not happened():  # noqa: ASYNC110 - processes send no event
            await asyncio.sleep(0.05)


async def kill_held(process: subprocess.Popen[str], proxy: Wire) -> None:
    """Kill a process that is held mid-transfer, as a power cut would; then release the wire."""
    await asyncio.wait_for(proxy.held.wait(), 60)
    process.send_signal(signal.SIGKILL)
    await until(lambda: process.poll() is not None)
    proxy.go_on.set()


async def submitted(embedded: Embedded) -> None:
    """Wait until the job is submitted, once, and end its worker."""
    await until(lambda: embedded.stages() == [Stage.SUBMITTED])
    embedded.started[-1].send_signal(signal.SIGTERM)
    await until(lambda: embedded.started[-1].poll() is not None)
    events = embedded.events()
    assert (events["OrderCreated"], events["JobClaimed"], events["ResultSubmitted"]) == (1, 1, 1)


async def test_a_worker_killed_mid_fetch_fetches_only_the_rest(
    embedded: Embedded, node: Kubo, scene: Path
) -> None:
    """fault_73: after kill −9 the next run reuses the fetched half from the disk and finishes the job."""
    asset_cid = posted(embedded, node, scene)
    async with wire(node, down=BIG_BYTES // 2) as proxy:
        await kill_held(work(embedded, proxy.url), proxy)
        (part,) = (embedded.home / "workers" / "worker" / "work" / "scenes").iterdir()
        had_bytes = part.stat().st_size
        assert had_bytes > BIG_BYTES // 4
        proxy.down_bytes = 0
        work(embedded, proxy.url)
        await submitted(embedded)
        assert proxy.down_bytes < BIG_BYTES - had_bytes + SLACK_BYTES
    whole = part.parent / f"{asset_cid}.blend"
    assert [whole] == list(part.parent.iterdir())
    assert same(scene, whole)


async def test_a_worker_waits_for_a_node_killed_mid_fetch(
    embedded: Embedded, node: Kubo, scene: Path
) -> None:
    """fault_50: after the node's restart the worker fetches the rest; the worker never stops."""
    posted(embedded, node, scene)
    async with wire(node, down=BIG_BYTES // 2) as proxy:
        worker = work(embedded, proxy.url)
        await proxy.restart_held(node)
        await submitted(embedded)
        assert proxy.down_bytes < BIG_BYTES * 5 // 4
    assert worker.returncode == 0


async def test_a_creator_killed_mid_upload_posts_once(embedded: Embedded, node: Kubo, scene: Path) -> None:
    """fault_54, fault_73: kill −9 leaves no job and no pin; repeating the command posts one complete job."""
    async with wire(node, up=BIG_BYTES // 2) as proxy:
        await kill_held(create(embedded, proxy.url, scene), proxy)
        assert embedded.events()["OrderCreated"] == 0
        async with KuboStore(node.api_url) as store:
            before = list(await store.pins())
            again = create(embedded, proxy.url, scene)
            await until(lambda: again.poll() is not None)
            assert again.returncode == 0
            asset_cid = json.loads(again.communicate()[0])["asset_cid"]
            creator = registries.embedded(embedded.settings, "creator")
            name = PinNames(await creator.identity(), creator.account).asset(1)
            creator.close()
            assert [Pin(cid=asset_cid, name=name)] == [pin for pin in await store.pins() if pin not in before]
            await store.fetch(asset_cid, embedded.home / "back", FetchLimits(file_bytes=2**30))
    assert same(scene, embedded.home / "back")
    assert embedded.events()["OrderCreated"] == 1


async def test_a_creator_killed_mid_fetch_fetches_only_the_rest(
    embedded: Embedded, node: Kubo, scene: Path
) -> None:
    """fault_73: after kill −9 during `job fetch`, repeating the command resumes with the fetched half."""
    posted(embedded, node, scene)
    head = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + b"\x00\x00\x01\x00" * 2
    picture = head + random.Random("picture").randbytes(BIG_BYTES)
    cid = node.run("add", "--quieter", "--cid-version=1", stdin=picture).decode().strip()
    worker_registry = registries.embedded(embedded.settings, "worker")
    await worker_registry.deposit(REWARD_FRI)
    await worker_registry.claim(1)
    await worker_registry.submit_result(1, cid)
    out = embedded.home / "out"
    out.mkdir()
    async with wire(node, down=BIG_BYTES // 2) as proxy:
        await kill_held(job(embedded, proxy.url, "fetch", "1", "-o", out / "picture.png"), proxy)
        had_bytes = (out / f"{PREFIX}{cid}").stat().st_size
        assert had_bytes > BIG_BYTES // 4
        proxy.down_bytes = 0
        again = job(embedded, proxy.url, "fetch", "1", "-o", out / "picture.png")
        await until(lambda: again.poll() is not None)
        assert again.returncode == 0, again.communicate()
        assert proxy.down_bytes < BIG_BYTES - had_bytes + SLACK_BYTES
    assert hashlib.sha256((out / "picture.png").read_bytes()).digest() == hashlib.sha256(picture).digest()
    assert [path.name for path in out.iterdir()] == ["picture.png"]


async def test_a_worker_killed_mid_upload_adds_again(embedded: Embedded, node: Kubo, scene: Path) -> None:
    """fault_54, fault_73: kill −9 during the upload; rendered once, submitted once, and pinned."""
    posted(embedded, node, scene)
    async with wire(node, hold_at=b"/api/v0/add?") as proxy:
        await kill_held(work(embedded, proxy.url), proxy)
        assert embedded.stages() == [Stage.VALIDATED]
        work(embedded, proxy.url)
        await submitted(embedded)
    assert embedded.renders() == {1: 1}
    (attempt,) = embedded.attempts()
    async with KuboStore(node.api_url) as store:
        assert attempt.result_cid in [pin.cid for pin in await store.pins()]
