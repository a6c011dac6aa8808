"""A worker on the embedded registry and a real store, with a fake renderer."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.bench import ANY_STAKES, SCENE
from tests.fakes.journal import FakeJournal
from tests.fakes.renderer import FakeRenderer, Script

from veriframe.adapters.local_registry import LocalRegistry
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.attempt.policy import Policy
from veriframe.model.registry.job import Job, Terms
from veriframe.model.rendering.frames import RenderLimits
from veriframe.model.rendering.scene import SceneLimits
from veriframe.ports.registry import read_job
from veriframe.ports.store import ContentStore
from veriframe.worker import pipeline
from veriframe.worker.context import WorkerContext
from veriframe.worker.own_jobs import OwnJobs
from veriframe.worker.reconciliation import new_attempt
from veriframe.worker.settlement.settling import settle
from veriframe.worker.shared.reservations import Reservations
from veriframe.worker.shared.workspace import Workspace

NOW = 1_700_000_000.0


@dataclass
class Home:
    """One embedded registry, its creator, and the account “worker”; all share the store."""

    folder: Path
    store: ContentStore
    renderer: FakeRenderer = field(default_factory=FakeRenderer)
    scene_limits: SceneLimits = field(default_factory=lambda: SceneLimits(pixels=10_000))
    now: float = NOW
    journal: FakeJournal = field(default_factory=FakeJournal)
    clients: list[LocalRegistry] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.worker, self.creator = self.client("worker"), self.client("creator")
        self.renderer.scripts[b""] = Script()
        self.context = WorkerContext(
            registry=self.worker,
            store=self.store,
            renderer=self.renderer,
            journal=self.journal,
            workspace=Workspace(self.folder / "work", 2**20),
            policy=Policy(account=self.worker.account, limits=RenderLimits(), stakes=ANY_STAKES),
            scene_limits=self.scene_limits,
            clock=lambda: self.now,
            room=Reservations(new_share=1, scene_pixels=self.scene_limits.pixels),
        )
        self.context.workspace.prepare()

    def client(self, name: str) -> LocalRegistry:
        """A client for one account."""
        self.clients.append(LocalRegistry(self.folder / "registry.sqlite", name, clock=lambda: self.now))
        return self.clients[-1]

    def close(self) -> None:
        """Closes the registry's file."""
        for client in self.clients:
            client.close()

    async def post(self, jobs: int = 1, creator: LocalRegistry | None = None, scene: bytes = SCENE) -> Job:
        """Adds a scene to the store and posts an order. Returns its first job."""
        desk = creator or self.creator
        (self.folder / "scene.blend").write_bytes(scene)
        asset_cid = await self.store.add(self.folder / "scene.blend", "scene")
        now = (await desk.snapshot(1, 0)).head.time
        terms = Terms(
            reward_fri=100,
            bond_fri=10,
            deadline=now + 10_000,
            lease_seconds=3600,
            review_seconds=600,
            arbitration_seconds=60,
        )
        return await read_job(desk, (await desk.create_order(asset_cid, terms, jobs))[0])

    async def submit(self) -> Attempt:
        """A job whose result is submitted but not paid."""
        job = await self.post()
        attempt = await self.context.attempts.start(new_attempt(job, at=self.now))
        attempt = await pipeline.run(attempt, self.context)
        assert attempt.stage is Stage.SUBMITTED
        return attempt

    async def end(self, attempt: Attempt) -> None:
        """Pays the worker, who records it."""
        await self.creator.accept_result(attempt.job_id)
        own = OwnJobs(self.context, 5.0)
        for finding in own.findings(await self.worker.snapshot(attempt.job_id, 1), ()):
            await settle(finding, self.context)

    def attempts(self) -> list[Attempt]:
        """All attempts in the journal."""
        return list(self.journal.tries.values())

    async def kept(self, cid: str) -> int:
        """How many pins a CID has."""
        return [pin.cid for pin in await self.store.pins()].count(cid)
