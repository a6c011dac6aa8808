"""One registry, one store, any number of accounts, and workers on them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.market.clock import MarketClock
from tests.market.scenes import MarketRenderer, Plan

from veriframe.adapters.local_registry import LocalRegistry
from veriframe.adapters.local_store import LocalStore
from veriframe.adapters.sqlite_journal import SqliteJournal
from veriframe.errors import Code
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.attempt.policy import Policy
from veriframe.model.attempt.stakes import Stakes
from veriframe.model.quantities import FRI_PER_STRK
from veriframe.model.registry.job import Job, Terms
from veriframe.model.registry.offer import Offer
from veriframe.ports.registry import read_job
from veriframe.worker.context import WorkerContext
from veriframe.worker.intake.exposure import Exposure
from veriframe.worker.listener import Listener
from veriframe.worker.service import Service
from veriframe.worker.shared.workspace import Workspace


async def until(happened: Callable[[], bool], *, real_seconds: float) -> None:
    """Waits for something that must happen. Raises `TimeoutError`."""
    async with asyncio.timeout(real_seconds):
        while not happened():  # noqa: ASYNC110 - any condition, without an event
            await asyncio.sleep(0.01)


@dataclass
class Worker(Listener):
    """One worker account at work. `ended` holds the attempts that have ended, by number."""

    registry: LocalRegistry
    context: WorkerContext
    renderer: MarketRenderer
    journal: SqliteJournal
    ended: dict[int, Attempt] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.context.listener.add(self)

    def on_stage(self, before: Attempt, after: Attempt) -> None:
        """Notes an end."""
        if after.stage.is_end:
            self.ended[after.number] = after

    async def attempts(self) -> dict[int, Attempt]:
        """Returns its attempts by job, from its journal."""
        return {attempt.job_id: attempt for attempt in await self.journal.history()}

    def codes(self) -> list[Code | None]:
        """Returns the codes of ended attempts."""
        return [attempt.code for attempt in self.ended.values()]

    @property
    def lost_fri(self) -> int:
        """What was burned of its bonds so far, by its own account."""
        return sum(attempt.lost_fri for attempt in self.ended.values())

    async def stakes(self) -> Stakes:
        """Returns what it has at stake."""
        funds = await self.registry.funds(self.registry.account)
        exposure = Exposure(self.context.policy.stakes, self.context.clock)
        exposure.read(await self.journal.history(), await self.journal.creator_totals())
        return exposure.stakes(funds)

    async def means_fri(self) -> int:
        """Returns what it holds, bound or not."""
        return (await self.stakes()).means_fri

    @asynccontextmanager
    async def working(self) -> AsyncIterator[Worker]:
        """Works during the block."""
        work = asyncio.create_task(Service(self.context, poll_seconds=0.02, idle_seconds=0.05).run())
        try:
            yield self
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)


@dataclass
class World:
    """The market, in a folder of a test."""

    folder: Path
    market_clock: MarketClock = field(default_factory=lambda: MarketClock(60))

    def __post_init__(self) -> None:
        self.store = LocalStore(self.folder / "store", 10 * 2**30)
        self._accounts: dict[str, LocalRegistry] = {}
        self._journals: list[SqliteJournal] = []

    def account(self, name: str) -> LocalRegistry:
        """Returns an account with 1000 STRK of play money."""
        if name not in self._accounts:
            file = self.folder / "registry.sqlite"
            self._accounts[name] = LocalRegistry(file, name, clock=self.market_clock.now)
        return self._accounts[name]

    async def close(self) -> None:
        """Closes all files."""
        for journal in self._journals:
            await journal.close()
        for registry in self._accounts.values():
            registry.close()

    def worker(self, name: str, **policy: object) -> Worker:
        """Returns a worker with the default policy, except for the given fields."""
        registry, renderer = self.account(name), MarketRenderer(self.market_clock)
        journal = SqliteJournal(self.folder / name / "journal.sqlite")
        self._journals.append(journal)
        context = WorkerContext(
            registry=registry,
            store=self.store,
            renderer=renderer,
            journal=journal,
            workspace=Workspace(self.folder / name / "work", 2**30),
            policy=replace(Policy(account=registry.account), **policy),  # type: ignore[arg-type]
            clock=self.market_clock.now,
            monotonic=self.market_clock.monotonic,
        )
        return Worker(registry, context, renderer, journal)

    async def keep(self, plan: Plan) -> str:
        """Adds a scene to the store. Returns its CID."""
        content = plan.scene()
        file = self.folder / f"{hashlib.sha256(content).hexdigest()}.blend"
        file.write_bytes(content)
        return await self.store.add(file, f"scene-{plan.name}")

    async def terms(self, reward_strk: float, **terms: int) -> Terms:
        """Returns a creator's default terms, except for those given; `deadline` is in seconds from now."""
        head = (await self.account("clock").snapshot(1, 0)).head
        offered = Offer(reward_fri=max(1, int(reward_strk * FRI_PER_STRK))).terms(head.time)
        if "deadline" in terms:
            terms["deadline"] += head.time
        return replace(offered, **terms)  # type: ignore[arg-type]

    async def post(
        self, creator: str, scene: Plan | str, reward_strk: float, jobs: int = 1, **terms: int
    ) -> list[int]:
        """Posts an order by `creator` for a scene or a CID. Returns the ids of its jobs."""
        cid = scene if isinstance(scene, str) else await self.keep(scene)
        return list(
            await self.account(creator).create_order(cid, await self.terms(reward_strk, **terms), jobs)
        )

    async def job(self, job_id: int) -> Job:
        """Returns a job as the registry has it."""
        return await read_job(self.account("clock"), job_id)

    async def until_ended(self, worker: Worker, job_id: int, *, market_seconds: float) -> Attempt:
        """Returns the attempt on a job once it was submitted or has ended. Raises `TimeoutError`."""

        def over() -> bool:
            attempt = worker.context.attempts.of(job_id)
            return attempt is not None and (attempt.stage.is_end or attempt.stage is Stage.SUBMITTED)

        await until(over, real_seconds=market_seconds / self.market_clock.factor)
        return (await worker.attempts())[job_id]
