"""Measures the cost of polling a registry on StarkNet, on a private development chain.

    .venv/bin/python benchmarks/starknet.py            both parts, a few minutes
    .venv/bin/python benchmarks/starknet.py --polls    only the calls

Needs starknet-devnet (`make nodes`). Prints tables. Every figure is measured in this run; none is asserted.

- RPC calls of one poll with 1, 100 and 10 000 jobs in the registry and no changes, against the plain way:
four calls for each job id, one after the other, until an id has no creator. - Seconds from the block with a
new job to the block with its claim, by a worker process, which fetches the scene and inspects it with Blender
in between.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import structlog

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from tests.deployed import REGISTRY, Clients, class_hash, deploy  # noqa: E402 - needs the line above
from tests.nodes import STRK_ADDRESS, Devnet, devnet  # noqa: E402

from veriframe.adapters.starknet.contract.contract import Contract  # noqa: E402
from veriframe.adapters.starknet.job_registry.registry import StarknetRegistry  # noqa: E402
from veriframe.adapters.starknet.rpc.endpoints import EndpointLimits, Endpoints, Params  # noqa: E402
from veriframe.demo.making import make_scene  # noqa: E402
from veriframe.model.attempt.policy import Policy  # noqa: E402
from veriframe.model.registry.job import Terms  # noqa: E402
from veriframe.model.registry.offer import Offer  # noqa: E402
from veriframe.ports.registry import read_job  # noqa: E402
from veriframe.settings import Settings  # noqa: E402
from veriframe.wiring.creators import build_creator  # noqa: E402
from veriframe.wiring.stores import open_store  # noqa: E402
from veriframe.worker.intake.discovery import Discovery  # noqa: E402

SIZES = (1, 100, 10_000)
POLLS = 60
JOBS = 8
CREATOR, WORKER = 0, 1
CID = "bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4"
GETTERS = ("get_job_creator", "get_job_worker", "get_job_reward", "get_job_asset_cid")


class Counting(Endpoints):
    """Endpoints that count RPC calls, including each call in a batch."""

    def __init__(self, url: str) -> None:
        super().__init__([url], limits=EndpointLimits(requests_per_second=10**6))
        self.calls = 0

    async def batch(self, calls: Sequence[tuple[str, Params | None]]) -> Sequence[Any]:
        """Send a batch, and count its calls."""
        self.calls += len(calls)
        return await super().batch(calls)


@dataclass(frozen=True, slots=True)
class Watched:
    """The cost of polling a registry with this many jobs: RPC calls and seconds."""

    jobs: int
    most_calls: int
    poll_seconds: float
    first_scan_calls: int
    plain_calls: int
    plain_seconds: float


async def watch(node: Devnet, registry: StarknetRegistry, nodes: Counting, jobs: int) -> Watched:
    """Poll a registry without changes after the first scan; then scan it once the plain way."""
    policy = Policy(account=registry.account)
    found = Discovery(registry, policy, lambda _: True)
    await registry.snapshot(1, 0)  # fetches the contract's ABI, once per run
    nodes.calls = 0
    await found.poll()
    while not found.has_seen_all:
        await found.poll()
    first_scan = nodes.calls
    counts, seconds = [], []
    for _ in range(POLLS):
        nodes.calls, started = 0, time.monotonic()
        await found.poll()
        counts.append(nodes.calls)
        seconds.append(time.monotonic() - started)
    assert len(found.candidates) == min(jobs, 5000)
    plain_calls, plain_seconds = await _scan_plainly(registry, nodes)
    return Watched(jobs, max(counts), statistics.median(seconds), first_scan, plain_calls, plain_seconds)


async def _scan_plainly(registry: StarknetRegistry, nodes: Counting) -> tuple[int, float]:
    contract = Contract(nodes, registry._contract.address, await registry._contract.abi())
    nodes.calls, started, job_id = 0, time.monotonic(), 1
    while await contract.view(GETTERS[0], job_id):
        for getter in GETTERS[1:]:
            await contract.view(getter, job_id)
        job_id += 1
    return nodes.calls, time.monotonic() - started


async def polls(folder: Path) -> list[Watched]:
    """Grow the registry to each size and measure it, with orders of one job and of many."""
    rows: list[Watched] = []
    with devnet() as node:
        address = await deploy(node, REGISTRY, STRK_ADDRESS)
        clients, nodes = Clients(node, folder), Counting(node.url)
        hashes = {class_hash(REGISTRY)}
        creator = StarknetRegistry(
            clients.endpoints, clients.sender(CREATOR), address, token=STRK_ADDRESS, class_hashes=hashes
        )
        reader = StarknetRegistry(
            nodes, clients.sender(WORKER), address, token=STRK_ADDRESS, class_hashes=hashes
        )
        posted = 0
        for size in SIZES:
            while posted < size:
                jobs = min(1000, max(1, (size - posted) // 2))
                await creator.create_order(CID, _terms(node), jobs)
                posted += jobs
            # Orders older than the longest reorganisation are cached, as in an older registry.
            node.increase_time(8000)
            rows.append(await watch(node, reader, nodes, size))
        await nodes.close()
        await clients.close()
    return rows


def _terms(node: Devnet) -> Terms:
    return Terms(
        reward_fri=1000,
        bond_fri=100,
        deadline=node.now() + 30 * 86400,
        lease_seconds=7200,
        review_seconds=600,
        arbitration_seconds=600,
    )


async def latency(folder: Path) -> list[float]:
    """Seconds from the block with a new job to the block with its claim, for each job."""
    with devnet() as node:
        address = await deploy(node, REGISTRY, STRK_ADDRESS)
        scene = await make_scene(folder / "job.blend", ROOT / "examples" / "animation.py")
        clients = Clients(node, folder)
        registry = StarknetRegistry(
            clients.endpoints,
            clients.sender(CREATOR),
            address,
            token=STRK_ADDRESS,
            class_hashes={class_hash(REGISTRY)},
        )
        settings = Settings(home=folder / "home", store="local")
        creator = build_creator(settings, registry, open_store(settings))
        worker = _start_worker(node, address, folder)
        try:
            taken = []
            for _ in range(JOBS):
                draft = await creator.draft(scene, Offer(reward_fri=10**18, lease_seconds=3600))
                (job_id,) = (await creator.post(draft)).jobs
                taken.append(await _until_claimed(registry, job_id))
                await asyncio.sleep(1.5)
        finally:
            worker.terminate()
            worker.wait(60)
            await clients.close()
    return taken


def _start_worker(node: Devnet, registry: int, folder: Path) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "STARKNET_RPC": node.url,
        "JOB_REGISTRY_ADDRESS": hex(registry),
        "VERIFRAME_DEVNET_ACCOUNT": str(WORKER),
        "VERIFRAME_STORE": "local",
        "VERIFRAME_HOME": str(folder / "home"),
        "VERIFRAME_LOG_FORMAT": "json",
        "VERIFRAME_SLOTS": "2",
    }
    log = (folder / "worker.log").open("wb")
    worker = subprocess.Popen(
        [Path(sys.executable).parent / "veriframe", "worker"], env=environment, stderr=log, stdout=log
    )
    until = time.monotonic() + 60
    while b'"worker_started"' not in (folder / "worker.log").read_bytes():
        if worker.poll() is not None or time.monotonic() > until:
            raise RuntimeError((folder / "worker.log").read_text())
        time.sleep(0.1)
    return worker


async def _until_claimed(registry: StarknetRegistry, job_id: int) -> float:
    """Seconds from now, when the block with the job exists. A poll takes a few milliseconds."""
    started = time.monotonic()
    while not (await read_job(registry, job_id)).worker:
        if time.monotonic() - started > 120:
            raise RuntimeError(f"job {job_id} was not claimed")
        await asyncio.sleep(0.02)
    return time.monotonic() - started


async def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--polls", action="store_true", help="measure only the calls")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with tempfile.TemporaryDirectory(prefix="veriframe-bench-") as folder:
        rows = await polls(Path(folder))
        (Path(folder) / "second").mkdir()
        taken = [] if chosen.polls else await latency(Path(folder) / "second")
    if chosen.json:
        print(json.dumps({"polls": [asdict(row) for row in rows], "claim_seconds": taken}))
        return
    print("| jobs | RPC calls of a poll, at most | seconds | first scan | plain scan | its seconds | ratio |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        print(
            f"| {row.jobs} | {row.most_calls} | {row.poll_seconds:.3f} | {row.first_scan_calls} "
            f"| {row.plain_calls} | {row.plain_seconds:.2f} | {row.plain_calls / row.most_calls:.0f} |"
        )
    if taken:
        print(
            f"\nFrom the block with a new job to the block with its claim, {len(taken)} jobs:"
            f" median {statistics.median(taken):.2f} s, longest {max(taken):.2f} s"
        )


if __name__ == "__main__":
    asyncio.run(main())
