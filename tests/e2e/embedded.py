"""The embedded system in one home, with workers as processes of their own over a fake Blender."""

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
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.scenes.blend_bytes import blend, block

from veriframe.adapters.local_registry import Audit
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.registry.job import FRI_PER_STRK, Job, JobState, Terms
from veriframe.model.registry.offer import Offer
from veriframe.ports.registry import Funds
from veriframe.settings import Settings, load
from veriframe.wiring import registries, stores, workers

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("worker_on_fakes.py")
REWARD_FRI = 5 * FRI_PER_STRK
PATIENCE_SECONDS = 30.0


@dataclass
class Embedded:
    """One home. The creator's moves are made here, the workers are started as processes."""

    home: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        """The defaults, in this home."""
        return load({"home": str(self.home)}, {}).settings

    def post(self, jobs: int = 1, scene: bytes = b"") -> Job:
        """One order of the creator's. Returns its first job."""
        return asyncio.run(self._post(jobs, scene or blend(block(b"TEST"))))

    async def _post(self, jobs: int, scene: bytes) -> Job:
        file = self.home / "scene.blend"
        file.write_bytes(scene)
        desk = registries.embedded(self.settings, "creator")
        asset_cid = await stores.open_store(self.settings).add(file, "order-asset")
        terms: Terms = Offer(reward_fri=REWARD_FRI).terms((await desk.head()).time)
        await desk.deposit(REWARD_FRI * jobs)
        first, *_ = await desk.create_order(asset_cid, terms, jobs)
        return await desk.get_job(first)

    def accept_all(self) -> None:
        """The creator pays for everything that is handed in."""

        async def accept() -> None:
            desk = registries.embedded(self.settings, "creator")
            for job_id in range(1, await desk.job_counter() + 1):
                if (await desk.get_job(job_id)).state is JobState.SUBMITTED:
                    await desk.accept_result(job_id)

        asyncio.run(accept())

    def start(
        self, plan: dict[str, Any], *command: str, account: str = "worker", stderr: int | None = None
    ) -> subprocess.Popen[str]:
        """A worker as a process, its log on stderr as JSON lines: in a file, or whatever `stderr` is."""
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
        """The same, to its end. Returns the exit code; a process that was killed has a negative one."""
        return self.start(plan, *command, account=account).wait(PATIENCE_SECONDS)

    def log(self, account: str = "worker") -> str:
        """All that a worker has said so far."""
        file = self.home / f"log-of-{account}"
        return file.read_text() if file.exists() else ""

    def jobs(self) -> list[Job]:
        """All jobs as the registry shows them."""

        async def read() -> list[Job]:
            registry = registries.embedded(self.settings, "creator")
            return list(await registry.get_jobs(1, 200))

        return asyncio.run(read())

    def attempts(self, account: str = "worker") -> list[Attempt]:
        """All attempts of a worker's journal."""
        journal = workers.open_journal(self.settings, account)
        with closing(journal):
            return list(journal.attempts())

    def stages(self, account: str = "worker") -> list[Stage]:
        """Where they stand."""
        return [attempt.stage for attempt in self.attempts(account)]

    def events(self) -> Counter[str]:
        """How often each kind of event happened in the registry."""
        with closing(sqlite3.connect(self.home / "registry.sqlite")) as connection:
            return Counter(kind for (kind,) in connection.execute("SELECT kind FROM events"))

    def renders(self) -> Counter[int]:
        """How often each job was rendered to the end."""
        notes = self.home / "renders"
        return Counter(map(int, notes.read_text().split())) if notes.exists() else Counter()

    def funds(self, account: str) -> Funds:
        """What an account holds."""
        registry = registries.embedded(self.settings, account)
        return asyncio.run(registry.funds(registry.account))

    def audit(self) -> Audit:
        """The registry's books, reckoned anew."""
        return asyncio.run(registries.embedded(self.settings, "creator").audit())

    def end(self) -> None:
        """Kill what still runs."""
        for process in self.started:
            process.kill()
            process.communicate()


def wait_for(happened: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until something outside has happened. Fails where it does not."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
