"""Jobs ahead of their claims, with fakes: scenes that do not come, and how often the registry is read."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.fakes.bench import REVIEW_SECONDS, REWARD, WALLET, Bench, until
from tests.fakes.registry import FakeRegistry
from tests.fakes.store import FakeStore
from tests.scenes.blend_bytes import blend, block

from veriframe.errors import Code
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.content.cid import Cid, Codec
from veriframe.model.registry.job import Address
from veriframe.ports.registry import Snapshot
from veriframe.ports.store import Fetched, FetchLimits, OnTransfer, Transfer, ignore_transfer
from veriframe.worker.ahead import JOBS_AHEAD
from veriframe.worker.intake import intake
from veriframe.worker.listener import Listener
from veriframe.worker.report import WorkerLog
from veriframe.worker.shared import throughput
from veriframe.worker.shared.lanes import FETCHES

# Time runs so fast that a busy machine shows.
pytestmark = pytest.mark.alone

FACTOR = 200
"""How much faster than real time the worker's clock goes, where a test waits for a silence."""

MOST_READS = 5
"""The most reads of the registry by one job's own work, from its scene to its submission."""


HALF_BYTES = 2**18
"""A quarter of the budget for scenes."""


class AbsentScenes(FakeStore):
    """A store that looks for ever for what it does not have."""

    async def fetch(
        self,
        cid: str,
        target: Path,
        limits: FetchLimits,
        on_progress: OnTransfer = ignore_transfer,
        path: str = "",
    ) -> Fetched:
        """Fetches what is there."""
        if cid not in self.files:
            await asyncio.Event().wait()
        return await super().fetch(cid, target, limits, on_progress, path)


@pytest.mark.parametrize("ghosts", [10, FETCHES + 4])
async def test_scenes_that_do_not_come_are_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ghosts: int
) -> None:
    """fault_88: better paid jobs of as many creators, whose scenes nobody has; the good job is claimed."""
    monkeypatch.setattr(throughput, "CHECK_SECONDS", 0.005)
    monkeypatch.setattr(intake, "TURN_EVERY", 10**9)  # the good job comes last
    bench = Bench(tmp_path / "work", store=AbsentScenes())
    bench.context.monotonic = lambda: FACTOR * time.monotonic()
    for number in range(ghosts):
        bench.creator = FakeRegistry(Address(100 + number), bench.shared)
        bench.shared.credits[bench.creator.account] += WALLET
        await bench.post_cid(str(Cid(Codec.RAW, bytes([number]) * 32)), reward_fri=2 * REWARD)
    (good,) = await bench.post()
    at_claim = dict[int, Attempt]()

    class AtClaim(Listener):
        def on_stage(self, before: Attempt, after: Attempt) -> None:
            if after.stage is Stage.CLAIMED:
                at_claim.update(bench.journal.by_job)

    for listener in (AtClaim(), WorkerLog()):
        bench.context.listener.add(listener)
    with capture_logs() as lines:
        working = asyncio.create_task(bench.service(idle_seconds=0.01).run())
        await until(lambda: at_claim)
        waiting = {job_id for job_id, attempt in at_claim.items() if attempt.stage is Stage.SEEN}
        named = partial(_named, lines)
        await until(lambda: len(named() & waiting) >= JOBS_AHEAD)
        working.cancel()
        await asyncio.wait([working])
    assert at_claim.pop(good.id).stage is Stage.CLAIMED
    assert waiting == {job_id for job_id, attempt in at_claim.items() if not attempt.stage.is_end}
    assert len(waiting) > JOBS_AHEAD, "they are still being fetched, more than places ahead"
    # Only beyond the places for fetches does one give way to another.
    ended = [attempt.code for attempt in at_claim.values() if attempt.stage.is_end]
    assert ended == [Code.NOT_FOUND] * len(ended)
    assert ended == [] or ghosts > FETCHES
    assert good.id not in named()


def _named(lines: Sequence[Mapping[str, Any]]) -> set[int]:
    """The jobs that wait for their scenes, by the log."""
    waits = [line for line in lines if line["event"] == "job_waits_for"]
    return {line["job_id"] for line in waits if line["what"] == "its scene"}


class HalfScenes(FakeStore):
    """A store in which large scenes stop arriving. Counts the bytes that are on the disk at once."""

    now = most = 0

    async def fetch(
        self,
        cid: str,
        target: Path,
        limits: FetchLimits,
        on_progress: OnTransfer = ignore_transfer,
        path: str = "",
    ) -> Fetched:
        """Fetches what is there."""
        if cid not in self.files:
            self.now += HALF_BYTES
            self.most = max(self.most, self.now)
            on_progress(Transfer(done_bytes=HALF_BYTES, total_bytes=2 * HALF_BYTES))
            try:
                await asyncio.Event().wait()
            finally:
                self.now -= HALF_BYTES
        return await super().fetch(cid, target, limits, on_progress, path)


async def test_scenes_that_stop_arriving_do_not_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They give way to others before they take more than the budget for scenes, and the good job is done."""
    monkeypatch.setattr(throughput, "CHECK_SECONDS", 0.005)
    monkeypatch.setattr(intake, "TURN_EVERY", 10**9)
    bench = Bench(tmp_path / "work", store=(store := HalfScenes()))
    bench.context.monotonic = lambda: FACTOR * time.monotonic()
    for number in range(FETCHES):
        bench.creator = FakeRegistry(Address(100 + number), bench.shared)
        bench.shared.credits[bench.creator.account] += WALLET
        await bench.post_cid(str(Cid(Codec.RAW, bytes([number]) * 32)), reward_fri=2 * REWARD)
    (good,) = await bench.post()
    service = bench.service(idle_seconds=0.01)
    working = asyncio.create_task(service.run())
    await until(lambda: good.id in bench.journal.by_job and bench.attempt(good.id).stage is Stage.SUBMITTED)
    working.cancel()
    await asyncio.wait([working])
    assert store.most <= bench.context.workspace.limit_bytes + (1 + JOBS_AHEAD) * HALF_BYTES


@pytest.mark.parametrize("step_seconds", [0.0, 60.0])
@pytest.mark.parametrize("accepted", [True, False])
async def test_the_registry_is_read_a_few_times_for_each_job(
    bench: Bench, step_seconds: float, accepted: bool
) -> None:
    """By the job's own task, however long each step takes; one poll reads many jobs at once."""
    passed, reads = 0.0, Counter[str]()
    snapshot = bench.registry.snapshot

    class Slow(Listener):
        def on_stage(self, before: Attempt, after: Attempt) -> None:
            nonlocal passed
            passed += step_seconds

    async def counted(first: int, count: int) -> Snapshot:
        task = asyncio.current_task()
        assert task is not None
        reads[task.get_name()] += 1
        return await snapshot(first, count)

    bench.registry.snapshot = counted  # type: ignore[method-assign]
    bench.context.monotonic = lambda: time.monotonic() + passed
    bench.context.listener.add(Slow())
    (job,) = await bench.post()
    service = bench.service()
    working = asyncio.create_task(service.run())
    await until(lambda: bench.journal.by_job and bench.attempt().stage is Stage.SUBMITTED)
    if accepted:
        await bench.creator.accept_result(job.id)
    bench.shared.now += REVIEW_SECONDS
    await until(lambda: bench.attempt().stage is Stage.PAID)
    service.drain()
    assert await working
    assert 0 < reads[f"job-{job.id}"] <= MOST_READS
    # After its own move, the worker reads how the job ended.
    assert reads[f"end-{job.id}"] == (0 if accepted else 1)


@pytest.mark.parametrize("slots", [1, 3])
async def test_each_scene_is_opened_once(bench: Bench, slots: int) -> None:
    """However many jobs are ahead: the next scene is inspected only when it can stay open until its turn."""
    for number in range(8):
        await bench.post(scene=blend(block(b"TEST", bytes([number]))))
    most = 0

    class Open(Listener):
        """Notes the most sessions that were open at a time."""

        def on_stage(self, before: Attempt, after: Attempt) -> None:
            """Counts."""
            nonlocal most
            most = max(most, bench.renderer.sessions)

    bench.context.listener.add(Open())
    assert await bench.service(slots=slots).run(once=True)
    assert len(bench.renderer.opened) == 8
    assert most <= 2 * slots + 1
    assert bench.context.scenes.opened == bench.renderer.sessions == 0


async def test_a_large_scene_is_opened_again_for_its_turn(bench: Bench) -> None:
    """What waits holds little memory; the next scene need not wait for it."""
    bench.renderer.waits = False
    for number in range(4):
        await bench.post(scene=blend(block(b"TEST", bytes([number]))))
    assert await bench.service().run(once=True)
    assert len(bench.renderer.opened) == 8
