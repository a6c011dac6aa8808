"""The worker with real renders on the embedded registry: the most that an endless scene may cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.bench import ANY_STAKES
from tests.integration import renderer_scenes

from veriframe.adapters.blender import runtimes
from veriframe.adapters.blender.renderer import BlenderRenderer
from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox
from veriframe.adapters.local_registry import LocalRegistry
from veriframe.adapters.local_store import LocalStore
from veriframe.adapters.sqlite_journal import SqliteJournal
from veriframe.errors import Code
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.attempt.policy import Policy
from veriframe.model.registry.job import JobState
from veriframe.model.registry.offer import Offer
from veriframe.model.rendering.frames import Progress, RenderLimits
from veriframe.ports.registry import read_job
from veriframe.worker.context import WorkerContext
from veriframe.worker.listener import Listener, Listeners
from veriframe.worker.service import Service
from veriframe.worker.shared.workspace import Workspace

pytestmark = pytest.mark.slow

LONG = (
    "scene.cycles.samples = 65_536; scene.cycles.use_adaptive_sampling = False;"
    " render.resolution_x, render.resolution_y = 1280, 720"
)
"""Within the limits of the scene check, and hours of work."""
BOND = 833 * 10**18


class Progressing(Listener):
    """Sets an event once Blender reports progress."""

    def __init__(self, progressed: asyncio.Event) -> None:
        self._progressed = progressed

    def on_progress(self, job_id: int, progress: Progress) -> None:
        """Sets it."""
        self._progressed.set()


class World:
    """A worker's parts in a folder, and its creator."""

    def __init__(self, folder: Path) -> None:
        self.creator, self.other, worker = (
            LocalRegistry(folder / "registry.sqlite", name) for name in ("creator", "other", "worker")
        )
        self.store = LocalStore(folder / "store", 2**30)
        self.progressed = asyncio.Event()
        limits = RenderLimits(frame_seconds=25, loading_seconds=10)
        self.context = WorkerContext(
            registry=worker,
            store=self.store,
            renderer=BlenderRenderer(runtimes.BpyWheel(), BubblewrapSandbox()),
            journal=SqliteJournal(folder / "journal.sqlite"),
            workspace=Workspace(folder / "work", 2**30),
            policy=Policy(account=worker.account, limits=limits, stakes=ANY_STAKES),
            listener=Listeners([Progressing(self.progressed)]),
        )

    async def post(self, folder: Path, lease_seconds: int) -> None:
        """Posts the attacker's order: a reward of 1 fri, an endless scene."""
        file = folder / "scene.blend"
        file.write_bytes(renderer_scenes.make(LONG))
        cid = await self.store.add(file, "asset")
        now = (await self.creator.snapshot(1, 0)).head.time
        terms = Offer(reward_fri=1, bond_fri=BOND, lease_seconds=lease_seconds).terms(now)
        await self.creator.create_order(cid, terms, 1)

    def attempt(self) -> Attempt:
        """Returns the only attempt."""
        attempt = self.context.attempts.of(1)
        assert attempt is not None
        return attempt


async def until(happened: Callable[[], object], seconds: float) -> None:
    """Waits for something that must happen."""
    async with asyncio.timeout(seconds):
        while not happened():  # noqa: ASYNC110 - any condition, without an event
            await asyncio.sleep(0.05)


async def test_an_endless_scene_costs_half_of_the_bond(tmp_path: Path) -> None:
    """fault_86: with the shortest lease, the render is stopped as LEASE, and the claim is released early."""
    world = World(tmp_path)
    await world.post(tmp_path, lease_seconds=60)
    service = Service(world.context, poll_seconds=0.1)
    working = asyncio.create_task(service.run())
    await until(lambda: world.context.attempts.of(1) and world.attempt().stage.is_end, 90)
    service.drain()
    assert await working
    attempt = world.attempt()
    assert attempt.code is Code.LEASE
    assert "the lease left no more" in attempt.detail
    burned_fri = (await world.creator.totals()).burned_fri
    assert 0.2 * BOND < burned_fri <= 0.5 * BOND
    assert abs(attempt.lost_fri - burned_fri) <= BOND // 30
    assert (await read_job(world.creator, 1)).state is JobState.OPEN


async def test_a_real_render_ends_once_its_job_is_lost(tmp_path: Path) -> None:
    """fault_90: when its lease is over and another worker has the job, Blender ends within one poll."""
    world = World(tmp_path)
    world.context = replace(world.context, policy=replace(world.context.policy, release_fee_share=1.0))
    await world.post(tmp_path, lease_seconds=600)
    service = Service(world.context, poll_seconds=0.1, idle_seconds=0.5)
    working = asyncio.create_task(service.run())
    await asyncio.wait_for(world.progressed.wait(), 60)
    await world.other.advance_clock(600)
    await world.other.claim(1)
    started = time.monotonic()
    await until(lambda: world.attempt().stage is Stage.LOST, 10)
    assert time.monotonic() - started < 5
    assert world.attempt().lost_fri == BOND == (await world.creator.totals()).burned_fri
    service.drain()
    assert await asyncio.wait_for(working, 10)
