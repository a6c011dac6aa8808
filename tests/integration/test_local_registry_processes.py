"""Several processes race for jobs in one registry file and are killed during moves; it stays correct."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from veriframe.adapters.local_registry import LocalRegistry, local_address
from veriframe.model.registry.job import JobState, Terms
from veriframe.ports.registry import read_jobs

CID = "bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4"

QUIET = """
import structlog
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
"""
"""Only the script's own lines on standard output."""
CLAIM_ALL = """
import asyncio, sys
from pathlib import Path
from veriframe.adapters.local_registry import LocalRegistry
from veriframe.errors import MoveRefused

async def main(path, name, jobs):
    registry = LocalRegistry(Path(path), name)
    await registry.deposit(10 * int(jobs))
    print("ready", flush=True)
    sys.stdin.readline()
    for job_id in range(1, int(jobs) + 1):
        try:
            await registry.claim(job_id)
        except MoveRefused as refusal:
            assert refusal.rule == "NOT_OPEN", refusal
        else:
            print(job_id, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""
"""Claims every job that it can, and prints it."""

MOVE_FOR_EVER = """
import asyncio, itertools, sys
from pathlib import Path
from veriframe.adapters.local_registry import LocalRegistry
from veriframe.errors import Code
from veriframe.model.registry.job import Terms

async def main(path):
    creator, worker = (LocalRegistry(Path(path), name) for name in ("creator", "worker"))
    head = (await creator.snapshot(1, 0)).head
    terms = Terms(reward_fri=10, bond_fri=10, deadline=head.time + 9999, lease_seconds=600,
                  review_seconds=0, arbitration_seconds=60)
    for number in itertools.count():
        await creator.deposit(20)
        await worker.deposit(20)
        first, second = await creator.create_order("cid", terms, 2)
        await worker.claim(first)
        await worker.release(first, Code.CRASH)
        await worker.claim(second)
        await worker.submit_result(second, "cid")
        await worker.finalize(second)
        await creator.cancel_job(first)
        print(number, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""
"""Makes rounds of nine moves and prints a line after each round."""


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Starts a Python process that runs `code`."""
    return subprocess.Popen(
        [sys.executable, "-c", QUIET + code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def read_line(process: subprocess.Popen[str]) -> str:
    """The process's next line."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


async def post(path: Path, jobs: int) -> None:
    """Posts an order from a separate account."""
    creator = LocalRegistry(path, "creator")
    await creator.deposit(1000 * jobs)
    terms = Terms(
        reward_fri=1000,
        bond_fri=10,
        deadline=(await creator.snapshot(1, 0)).head.time + 9999,
        lease_seconds=6000,
        review_seconds=0,
        arbitration_seconds=60,
    )
    await creator.create_order(CID, terms, jobs)
    creator.close()


async def test_each_job_is_claimed_by_one_process(tmp_path: Path) -> None:
    """fault_65: five processes claim the same sixty jobs at once; each job has one claimant, who knows it."""
    path, jobs = tmp_path / "registry.sqlite", 60
    await post(path, jobs)
    names = [f"worker-{number}" for number in range(5)]
    processes = {name: start(CLAIM_ALL, path, name, jobs) for name in names}
    for process in processes.values():
        assert await asyncio.to_thread(read_line, process) == "ready"
    for process in processes.values():
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    claimed: dict[int, str] = {}
    for name, process in processes.items():
        printed, _ = await asyncio.to_thread(process.communicate, timeout=120)
        assert process.returncode == 0
        mine = [int(line) for line in printed.split()]
        assert not claimed.keys() & set(mine)
        claimed |= dict.fromkeys(mine, name)
    registry = LocalRegistry(path, "looker")
    seen = {job.id: job for job in await read_jobs(registry, 1, 200)}
    assert {job.state for job in seen.values()} == {JobState.CLAIMED}
    assert {job_id: job.worker for job_id, job in seen.items()} == {
        job_id: local_address(name) for job_id, name in claimed.items()
    }
    for name, count in Counter(claimed.values()).items():
        assert (await registry.funds(local_address(name))).credit_fri == 10 * jobs - 10 * count
    assert (await registry.audit()).discrepancies == ()
    registry.close()


async def test_a_new_file_is_made_once(tmp_path: Path) -> None:
    """Six processes find no file: all use the same new one, and each account has its play money."""
    path = tmp_path / "home" / "registry.sqlite"
    processes = [start(CLAIM_ALL, path, f"worker-{number}", 1) for number in range(6)]
    reported = [await asyncio.to_thread(read_line, process) for process in processes]
    for process in processes:
        process.kill()
        process.communicate()
    assert reported == ["ready"] * 6
    registry = LocalRegistry(path, "looker")
    audit = await registry.audit()
    assert (audit.discrepancies, (await registry.totals()).credit_fri) == ((), 60)
    assert audit.postings == 2 * 6 + 1
    registry.close()


@pytest.mark.parametrize("rounds", [1, 2, 3, 5, 8, 13])
async def test_a_kill_during_moves_loses_no_finished_move(tmp_path: Path, rounds: int) -> None:
    """fault_73: after SIGKILL at any moment, all reported moves exist in full; another process continues."""
    path = tmp_path / "registry.sqlite"
    process = start(MOVE_FOR_EVER, path)
    lines = [await asyncio.to_thread(read_line, process) for _ in range(rounds)]
    # At another point of the next round each time.
    time.sleep(0.0007 * rounds)  # noqa: ASYNC251 - a moment, and nothing else runs here
    process.send_signal(signal.SIGKILL)
    rest, _ = await asyncio.to_thread(process.communicate, timeout=30)
    done = len(lines) + len(rest.split())
    registry = LocalRegistry(path, "worker")
    audit = await registry.audit()
    assert audit.discrepancies == ()
    assert audit.jobs in (2 * done, 2 * done + 2)
    for job in await read_jobs(registry, 1, 2 * done):
        assert job.state is (JobState.REFUNDED if job.part == 0 else JobState.PAID)
    await registry.deposit(1)
    assert (await registry.audit()).is_clean
    registry.close()
