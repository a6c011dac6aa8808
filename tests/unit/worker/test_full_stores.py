"""A worker whose store fills up: no bond is lost, and every creator still finds room."""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from tests.fakes.bench import until
from tests.fakes.embedded import Home
from tests.fakes.renderer import FakeRenderer, Script
from tests.nodes import kubo

from veriframe.adapters.kubo.store import KuboStore
from veriframe.adapters.local_store import LocalStore
from veriframe.errors import Code, JobRejected
from veriframe.model.attempt.attempt import Stage
from veriframe.model.registry.job import JobState
from veriframe.model.rendering.frames import Frame, RenderTask, ValidatedFrame
from veriframe.model.rendering.scene import SceneLimits
from veriframe.ports.registry import read_job, read_jobs
from veriframe.worker.service import Service
from veriframe.worker.shared.reservations import Reservations
from veriframe.worker.shared.workspace import Workspace

PICTURE_BYTES = 80_000
STORE_BYTES = 1_000_000
NOISE = b"noise"


class Noisy(FakeRenderer):
    """Its pictures are large, and all different."""

    async def validate(
        self,
        task: RenderTask,
        frames: Sequence[Frame],
        out: Path,
        clean: Path,
        *,
        lease_seconds: float = math.inf,
    ) -> Sequence[ValidatedFrame]:
        """Validates as the fake does, with other bytes."""
        validated = await super().validate(task, frames, out, clean, lease_seconds=lease_seconds)
        (clean / validated[0].file).write_bytes(random.randbytes(PICTURE_BYTES))
        return validated


@pytest_asyncio.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    """A worker with a store of 1 MB, whose pictures may have 86 kB, and have 80."""
    made = Home(tmp_path, LocalStore(tmp_path / "store", STORE_BYTES), renderer=Noisy())
    yield made
    made.close()


class Working:
    """A worker that works during the block; its chain time moves only as the test says."""

    def __init__(self, home: Home, poll_seconds: float = 0.001) -> None:
        home.renderer.places = 2
        home.context = replace(home.context)
        self.service = Service(home.context, poll_seconds=poll_seconds, idle_seconds=0.01)

    async def __aenter__(self) -> None:
        self.task = asyncio.create_task(self.service.run())

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def submitted(home: Home, first: int = 1) -> list[int]:
    """Returns the jobs with a result, from one id on."""
    done = [attempt for attempt in home.attempts() if attempt.stage is Stage.SUBMITTED]
    return sorted(attempt.job_id for attempt in done if attempt.job_id >= first)


async def claimed(home: Home) -> list[int]:
    """Returns the claimed jobs."""
    return [job.id for job in await read_jobs(home.worker, 1, 50) if job.state is JobState.CLAIMED]


async def test_a_full_store_costs_no_bond(home: Home) -> None:
    """fault_87: unknown creators' results fill the store; the next job waits until there is room."""
    for number in range(12):
        await home.post(creator=home.client(f"unknown-{number}"))
    async with Working(home):
        # 960 of 1000 kB: too little for one more of 86.
        await until(lambda: len(submitted(home)) == 12)
        honest = await home.post()
        await asyncio.sleep(0.3)
        assert await claimed(home) == []
        assert (await read_job(home.worker, honest.id)).state is JobState.OPEN
        # The reviews end: pay is collected, pins are released, and there is room.
        home.now += 601
        await until(lambda: submitted(home) == [honest.id])
    assert (await home.worker.totals()).burned_fri == 0


async def test_a_creator_fills_a_share_at_most(home: Home) -> None:
    """fault_87: one creator's undecided results take a quarter of the store; others are still served."""
    await home.post(jobs=20, creator=home.client("unknown"))
    async with Working(home):
        # 240 kB wait, and one more might make it 326.
        await until(lambda: len(submitted(home)) == 3)
        honest = await home.post()
        await until(lambda: honest.id in submitted(home))
        await asyncio.sleep(0.1)
        assert await claimed(home) == []
        first = submitted(home)
        assert len(first) == 4
        home.now += 601
        # All are paid, and the creator's next ones have their turn.
        await until(lambda: len(submitted(home)) == 3 and not set(first) & set(submitted(home)))
    assert (await home.worker.totals()).burned_fri == 0


@pytest.mark.slow
async def test_a_full_node_costs_no_bond(tmp_path: Path) -> None:
    """fault_87: the same with a Kubo node of 1 MB, which itself would accept more; garbage is not room."""
    with kubo(tmp_path / "kubo") as node:
        node.run("config", "Datastore.StorageMax", f"{STORE_BYTES}B")
        node.restart()
        async with KuboStore(node.api_multiaddr) as store:
            home = Home(tmp_path, store, renderer=Noisy())
            for number in range(14):
                await home.post(creator=home.client(f"unknown-{number}"))
            async with Working(home, poll_seconds=0.05):
                await until(lambda: len(submitted(home)) >= 9)
                await asyncio.sleep(1.0)
                full = len(submitted(home))
                assert 9 <= full <= 11
                assert await claimed(home) == []
                home.now += 601
                await until(lambda: submitted(home) == [])
                assert await claimed(home) == []
                while await store.pins("job-result"):  # noqa: ASYNC110 - nodes give no event
                    await asyncio.sleep(0.01)
                node.run("repo", "gc")
                await until(lambda: len(home.attempts()) > full and submitted(home) != [])
            assert (await home.worker.totals()).burned_fri == 0
            home.close()


@pytest.mark.slow
async def test_fetched_scenes_do_not_fill_a_node(tmp_path: Path) -> None:
    """fault_87: after 24 MB of refused scenes through a node of 20 MB, an honest job is served."""
    with kubo(tmp_path / "far", offline=False) as far, kubo(tmp_path / "kubo", offline=False) as node:
        node.run("config", "Datastore.StorageMax", "20000000B")
        node.restart(offline=False)
        node.swarm_connect(far)
        async with KuboStore(far.api_multiaddr) as theirs, KuboStore(node.api_multiaddr) as store:
            home = Home(tmp_path, theirs, renderer=Noisy(), scene_limits=SceneLimits(pixels=10_000))
            home.context = replace(home.context, store=store, workspace=Workspace(tmp_path / "work", 2**30))
            refused = Script(inspect_failures=[JobRejected(Code.NOT_BLEND, "It is no scene.")] * 99)
            home.renderer.scripts = {NOISE: refused, b"": Script()}
            before = (await store.room()).free_bytes
            assert before is not None
            for number in range(6):
                scene = NOISE + random.randbytes(4_000_000)
                await home.post(creator=home.client(f"unknown-{number}"), scene=scene)
            async with Working(home, poll_seconds=0.05):
                refusals = {Code.NOT_BLEND: 6}
                await until(lambda: Counter(a.code for a in home.attempts()) == refusals)
                # Empty folders of blocks stay, up to 4 MB in all.
                async with asyncio.timeout(5):
                    while ((await store.room()).free_bytes or 0) < before * 0.96:  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
                honest = await home.post()
                await until(lambda: honest.id in submitted(home))
            assert (await home.worker.totals()).burned_fri == 0
            home.close()


async def test_a_crowd_of_new_accounts_fills_half_at_most(home: Home) -> None:
    """fault_87: accounts cost nothing; eleven cheap results stopped all claims for a week.

    The creator who has paid before still finds room, and its job does not wait.
    """
    home.context = replace(home.context, room=Reservations(scene_pixels=home.scene_limits.pixels))
    async with Working(home):
        await home.post(jobs=3)
        await until(lambda: len(submitted(home)) == 3)
        home.now += 601
        await until(lambda: submitted(home) == [])
        for number in range(12):
            await home.post(creator=home.client(f"unknown-{number}"))
        # 480 kB wait; with one more of 86 it would be more than half of 1000.
        await until(lambda: len(submitted(home)) == 6)
        await asyncio.sleep(0.2)
        assert len(submitted(home)) == 6
        honest = [await home.post() for _ in range(2)]
        await until(lambda: {job.id for job in honest} <= set(submitted(home)))
        assert len(submitted(home)) == 8
    assert (await home.worker.totals()).burned_fri == 0
