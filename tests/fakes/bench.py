"""A whole worker on fakes: its surroundings in memory, its disk in the test's folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from tests.fakes.journal import FakeJournal
from tests.fakes.registry import FakeRegistry
from tests.fakes.renderer import FakeRenderer, FakeSession, Script
from tests.fakes.store import FakeStore
from tests.scenes.blend_bytes import blend
from tests.waiting import until as until  # noqa: PLC0414 - tests of the worker have it from here

from veriframe.errors import Code, RenderFailed
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.attempt.policy import Policy
from veriframe.model.attempt.stakes import StakeLimits
from veriframe.model.registry.job import Address, Job, Terms
from veriframe.model.registry.pin_names import PinNames
from veriframe.model.rendering.frames import Frame, RenderLimits, RenderTask
from veriframe.worker.context import WorkerContext
from veriframe.worker.listener import Listener, Listeners
from veriframe.worker.service import Service
from veriframe.worker.shared.reservations import Reservations
from veriframe.worker.shared.workspace import Workspace

ALL, NOTHING = Fraction(1), Fraction(0)
ME, OTHER, CREATOR, ARBITER = Address(1), Address(2), Address(3), Address(4)
SCENE = blend()
REWARD, BOND = 100, 10
LEASE_SECONDS, REVIEW_SECONDS, DEADLINE_SECONDS = 3600, 600, 10_000
WALLET = 1_000_000
ANY_STAKES = StakeLimits(
    reward_share=10**30 * ALL,
    bond_days=10**30 * ALL,
    means_share=ALL,
    free_share=NOTHING,
    loss_share=ALL,
    job_share=ALL,
    new_creator_jobs=64,
)
"""Limits that allow any risk, for tests of other things."""


class GatedRenderer(FakeRenderer):
    """A fake that can be held up: renders wait for `gate`, then call `on_start`. `started` counts them."""

    def __init__(self) -> None:
        super().__init__()
        self.started = 0
        self.on_start: Callable[[], None] = lambda: None
        self.gate = asyncio.Event()
        self.gate.set()

    def session(self, scene: Path) -> FakeSession:
        """A session that waits for the gate."""
        return GatedSession(self, scene)


class GatedSession(FakeSession):
    """Renders as the fake does; a failed render leaves half a picture."""

    def __init__(self, renderer: GatedRenderer, scene: Path) -> None:
        super().__init__(renderer, scene)
        self._gated = renderer

    async def frames(self, task: RenderTask, out: Path, **how: Any) -> AsyncIterator[Frame]:
        """Renders once the gate is open."""
        assert list(out.iterdir()) == []  # noqa: ASYNC240 - small files of tests
        self._gated.started += 1
        try:
            await self._gated.gate.wait()
        except asyncio.CancelledError:
            self._gated.cancelled += 1
            raise
        self._gated.on_start()
        try:
            async for frame in super().frames(task, out, **how):
                yield frame
        except RenderFailed:
            (out / "half.png").write_bytes(b"half")
            raise


class Told(Listener):
    """Notes the stages that were reached."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []

    def on_stage(self, before: Attempt, after: Attempt) -> None:
        """Notes one."""
        self.stages.append(after.stage)


@dataclass
class Bench:
    """One worker's components, and clients for its creator and another worker.

    `told` lists the reported stages, `script` controls what happens to every scene.
    """

    folder: Path
    registry: FakeRegistry = field(default_factory=lambda: FakeRegistry(ME, wallet_fri=WALLET))
    store: FakeStore = field(default_factory=FakeStore)
    renderer: GatedRenderer = field(default_factory=GatedRenderer)
    script: Script = field(default_factory=Script)
    journal: FakeJournal = field(default_factory=FakeJournal)
    policy: Policy = field(
        default_factory=lambda: Policy(
            account=ME, limits=RenderLimits(frame_seconds=300, loading_seconds=60), stakes=ANY_STAKES
        )
    )

    def __post_init__(self) -> None:
        self.shared = self.registry.shared
        self.creator = FakeRegistry(CREATOR, self.shared)
        self.other = FakeRegistry(OTHER, self.shared)
        for account in (CREATOR, OTHER):
            self.shared.credits[account] += WALLET
        self.renderer.scripts[b""] = self.script
        told = Told()
        self.told = told.stages
        self.context = WorkerContext(
            registry=self.registry,
            store=self.store,
            renderer=self.renderer,
            journal=self.journal,
            workspace=Workspace(self.folder, 2**20),
            policy=self.policy,
            clock=lambda: 1.0,
            listener=Listeners([told]),
            room=Reservations(new_share=1),
        )
        self.context.workspace.prepare()

    async def post(self, jobs: int = 1, scene: bytes = SCENE, reward_fri: int = REWARD) -> list[Job]:
        """Posts an order of the creator. Returns its jobs."""
        return await self.post_cid(self.store.keep(scene), jobs, reward_fri)

    async def post_cid(self, asset_cid: str, jobs: int = 1, reward_fri: int = REWARD) -> list[Job]:
        """Posts an order for an asset that may not exist."""
        terms = Terms(
            reward_fri=reward_fri,
            bond_fri=BOND,
            deadline=self.shared.now + DEADLINE_SECONDS,
            lease_seconds=LEASE_SECONDS,
            review_seconds=REVIEW_SECONDS,
            arbitration_seconds=60,
        )
        ids = await self.creator.create_order(asset_cid, terms, jobs)
        self.shared.moves.clear()
        return [self.shared.jobs[job_id] for job_id in ids]

    def job(self, job_id: int = 1) -> Job:
        """The job in the registry."""
        return self.shared.jobs[job_id]

    def attempt(self, job_id: int = 1) -> Attempt:
        """The newest attempt at a job in the journal."""
        return self.journal.by_job[job_id]

    def begin(self, job: Job, stage: Stage = Stage.SEEN, result_cid: str = "", **facts: Any) -> Attempt:
        """Adds an attempt to the journal, as after a restart."""
        attempt = Attempt(
            job_id=job.id,
            asset_cid=job.order.asset_cid,
            reward_fri=job.terms.reward_fri,
            stage=stage,
            result_cid=result_cid,
            reached={Stage.SEEN: 0.0, stage: 0.5},
        )
        return self.remember(self.journal.put(replace(attempt, **facts)))

    def remember(self, attempt: Attempt) -> Attempt:
        """Takes an attempt of the journal into the worker's table, as it does at its start."""
        self.context.attempts._keep(attempt)
        return attempt

    def amend(self, attempt: Attempt) -> Attempt:
        """Replaces an attempt in the journal and in the worker's table."""
        self.journal.tries[attempt.number] = attempt
        return self.remember(attempt)

    def lose_journal(self) -> None:
        """Replaces the journal by an empty one, as after a restore from an old backup."""
        self.journal.tries.clear()
        self.context = replace(self.context)

    def service(self, slots: int = 1, poll_seconds: float = 0.001, **more: Any) -> Service:
        """A worker with these components, which renders `slots` jobs at a time, after a restart."""
        self.renderer.places = slots
        self.context = replace(self.context)
        return Service(self.context, poll_seconds=poll_seconds, **more)


def result_pin(account: Address, job_id: int) -> str:
    """The pin name of a worker's result at the fake registry."""
    return PinNames("fake", account).result(job_id)


def crash() -> RenderFailed:
    """The error of a Blender that crashed."""
    return RenderFailed(Code.CRASH, "Blender crashed.")


def stages(bench: Bench) -> list[Stage]:
    """The stages of all attempts, by job."""
    return [bench.attempt(job_id).stage for job_id in sorted(bench.journal.by_job)]
