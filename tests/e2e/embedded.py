"""The embedded system in one home, with workers as processes on a fake Blender."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.scenes.blend_bytes import blend, block

from veriframe.adapters.local_registry import Audit
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.quantities import FRI_PER_STRK
from veriframe.model.registry.job import Job, JobState, Terms
from veriframe.model.registry.offer import Offer
from veriframe.ports.registry import Funds, read_job, read_jobs
from veriframe.settings import Settings, load
from veriframe.wiring import registries, stores, workers

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("worker_on_fakes.py")
REWARD_FRI = 5 * FRI_PER_STRK
WAIT_SECONDS = 30.0


@dataclass
class Embedded:
    """One home. The creator's moves are made here; workers run as processes."""

    home: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        """The default settings, in this home."""
        return load({"home": str(self.home)}, {}).settings

    def post(self, jobs: int = 1, scene: bytes = b"") -> Job:
        """Post an order. Returns its first job."""
        file = self.home / "scene.blend"
        file.write_bytes(scene or blend(block(b"TEST")))
        return self.post_asset(file, jobs)

    def post_asset(self, asset: Path, jobs: int) -> Job:
        """Post an order of a scene, or of a bundle's folder. Returns its first job."""
        return asyncio.run(self._post(jobs, asset))

    async def _post(self, jobs: int, file: Path) -> Job:
        desk = registries.embedded(self.settings, "creator")
        asset_cid = await stores.open_store(self.settings).add(file, "order-asset")
        terms: Terms = Offer(reward_fri=REWARD_FRI).terms((await desk.snapshot(1, 0)).head.time)
        await desk.deposit(REWARD_FRI * jobs)
        first, *_ = await desk.create_order(asset_cid, terms, jobs)
        return await read_job(desk, first)

    def accept_all(self) -> None:
        """Accept every submitted result."""

        async def accept() -> None:
            desk = registries.embedded(self.settings, "creator")
            for job_id in range(1, (await desk.snapshot(1, 0)).job_counter + 1):
                if (await read_job(desk, job_id)).state is JobState.SUBMITTED:
                    await desk.accept_result(job_id)

        asyncio.run(accept())

    def start(
        self, plan: dict[str, Any], *command: str, account: str = "worker", stderr: int | None = None
    ) -> subprocess.Popen[str]:
        """Start a worker as a process that logs JSON lines to a file, or to `stderr`."""
        settings = ("--set", "disk_free_bytes=1MB", "--set", "poll_seconds=0.05")
        program: tuple[str | Path, ...] = (sys.executable, PROGRAM, json.dumps(plan))
        process = subprocess.Popen(
            [*program, "--home", self.home, "--account", account, *settings, *command],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
            cwd=self.home,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=(self.home / f"log-of-{account}").open("a") if stderr is None else stderr,
        )
        self.started.append(process)
        return process

    def run(self, plan: dict[str, Any], *command: str, account: str = "worker") -> int:
        """Run a worker to its end. Returns the exit code, which is negative for a killed process."""
        return self.start(plan, *command, account=account).wait(WAIT_SECONDS)

    def log(self, account: str = "worker") -> str:
        """The log of a worker so far."""
        file = self.home / f"log-of-{account}"
        return file.read_text() if file.exists() else ""

    def jobs(self) -> list[Job]:
        """All jobs of the registry."""

        async def read() -> list[Job]:
            registry = registries.embedded(self.settings, "creator")
            return list(await read_jobs(registry, 1, 200))

        return asyncio.run(read())

    def attempts(self, account: str = "worker") -> list[Attempt]:
        """All attempts of a worker's journal."""

        async def read() -> list[Attempt]:
            async with workers.opened_journal(self.settings, account) as journal:
                return list(await journal.history())

        # In a thread, since tests with an event loop ask as well.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(lambda: asyncio.run(read())).result()

    def stages(self, account: str = "worker") -> list[Stage]:
        """The stages of all attempts."""
        return [attempt.stage for attempt in self.attempts(account)]

    def events(self) -> Counter[str]:
        """The number of the registry's events, by kind."""
        with closing(sqlite3.connect(self.home / "registry.sqlite")) as connection:
            return Counter(kind for (kind,) in connection.execute("SELECT kind FROM events"))

    def renders(self) -> Counter[int]:
        """The number of finished renders, by job."""
        notes = self.home / "renders"
        return Counter(map(int, notes.read_text().split())) if notes.exists() else Counter()

    def funds(self, account: str) -> Funds:
        """The balances of an account."""
        registry = registries.embedded(self.settings, account)
        return asyncio.run(registry.funds(registry.account))

    def audit(self) -> Audit:
        """The audit of the registry, computed from its postings."""
        return asyncio.run(registries.embedded(self.settings, "creator").audit())

    def end(self) -> None:
        """Kill all processes that are still running."""
        for process in self.started:
            process.kill()
            process.communicate()


def wait_for(happened: Callable[[], object], seconds: float = WAIT_SECONDS) -> None:
    """Wait until a condition holds. Fails if it does not in time."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
