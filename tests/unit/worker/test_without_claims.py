"""Workers at a registry without claims: they spread, the slower one stops, and results wait if they must."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.fakes.bench import ME, OTHER, Bench, stages, until
from tests.fakes.claimless import ClaimlessRegistry
from tests.scenes.blend_bytes import blend, block

from veriframe.model.attempt.attempt import Stage
from veriframe.model.registry.job import Address
from veriframe.worker.report import WorkerLog


def at(bench: Bench, folder: Path, account: Address) -> tuple[Bench, ClaimlessRegistry]:
    """Another worker at the registry and the store of `bench`, without claims."""
    registry = ClaimlessRegistry(account, bench.shared)
    made = Bench(folder, registry=registry, store=bench.store, policy=replace(bench.policy, account=account))
    return made, registry


async def test_two_workers_share_the_jobs(bench: Bench, tmp_path: Path) -> None:
    """fault_170: each job has its own reward; few are rendered twice, and no result is sent in vain."""
    jobs = 16
    for number in range(jobs):
        await bench.post(scene=blend(block(b"TEST", bytes([number]))), reward_fri=100 + number)
    pairs = [at(bench, tmp_path / str(account), account) for account in (ME, OTHER)]
    for worker, _ in pairs:
        worker.script.seconds = 0.05
    await asyncio.gather(*(worker.service(idle_seconds=0.01).run(once=True) for worker, _ in pairs))
    assert sorted(job_id for _, one in pairs for job_id in one.submitted) == list(range(1, jobs + 1))
    assert [one.refused for _, one in pairs] == [[], []]
    assert sum(worker.renderer.started for worker, _ in pairs) <= jobs * 3 // 2
    assert min(len(one.submitted) for _, one in pairs) >= jobs // 4


async def test_the_slower_worker_stops_its_render(bench: Bench, tmp_path: Path) -> None:
    """fault_170: a poll during the render shows the other's result; the attempt says that it was faster."""
    await bench.post()
    slow, _ = at(bench, tmp_path / "slow", ME)
    slow.renderer.gate.clear()
    with capture_logs() as lines:
        slow.context.listener.add(WorkerLog())
        working = asyncio.create_task(slow.service(idle_seconds=0.01).run(once=True))
        await until(lambda: slow.renderer.started == 1)
        fast = ClaimlessRegistry(OTHER, bench.shared)
        await fast.claim(1)
        await fast.submit_result(1, "a picture")
        assert await working
    assert (stages(slow), slow.renderer.cancelled) == ([Stage.LOST], 1)
    assert "faster" in slow.attempt().detail
    (lost,) = [line for line in lines if line["event"] == "job_lost"]
    assert "faster" in lost["reason"]


async def test_a_job_that_is_over_is_not_rendered(bench: Bench, tmp_path: Path) -> None:
    """fault_170: the registry is read once more right before the render."""
    await bench.post()
    late, registry = at(bench, tmp_path / "late", ME)
    fast = ClaimlessRegistry(OTHER, bench.shared)
    claim = registry.claim

    async def beaten(job_id: int) -> int:
        fee_fri = await claim(job_id)
        await fast.claim(job_id)
        await fast.submit_result(job_id, "a picture")
        return fee_fri

    registry.claim = beaten  # type: ignore[method-assign]
    assert await late.service().run(once=True)
    assert (stages(late), late.renderer.started) == ([Stage.LOST], 0)
    assert "faster" in late.attempt().detail


async def test_a_result_waits_until_the_registry_takes_it(bench: Bench, tmp_path: Path) -> None:
    """fault_172: verification was lost during the render: rendered once, submitted once it is there."""
    await bench.post()
    worker, registry = at(bench, tmp_path / "worker", ME)
    registry.waits_for = "its registry has not verified this account"
    service = worker.service()
    working = asyncio.create_task(service.run(once=True))
    await until(lambda: worker.journal.by_job.get(1) is not None and worker.attempt().stage is Stage.STORED)
    await asyncio.sleep(0.02)
    assert worker.attempt().stage is Stage.STORED
    registry.waits_for = ""
    assert await working
    assert (registry.submitted, worker.renderer.started) == ([1], 1)


@pytest.mark.parametrize("jobs", [1, 3])
async def test_one_worker_alone_does_all_at_once(bench: Bench, tmp_path: Path, jobs: int) -> None:
    """fault_170: nobody is waited for who has never delivered."""
    await bench.post(jobs=jobs)
    worker, registry = at(bench, tmp_path / "worker", ME)
    assert await worker.service().run(once=True)
    assert sorted(registry.submitted) == list(range(1, jobs + 1))
