"""How a worker stops, with fakes: in order or at once; and how it continues."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from structlog.testing import capture_logs
from tests.fakes.bench import (
    Bench,
    stages,
    until,
)
from tests.waiting import turns

from veriframe.errors import JobLost, RegistryUnavailable, StoreUnavailable
from veriframe.model.attempt.attempt import Stage


async def test_a_drain_finishes_claimed_jobs_and_claims_no_more(bench: Bench) -> None:
    """fault_74: a render under way ends with a submission; the next job is not claimed."""
    await bench.post(jobs=2)
    bench.renderer.gate.clear()
    service = bench.service()
    working = asyncio.create_task(service.run())
    await until(lambda: bench.renderer.started and sorted(stages(bench)) == [Stage.CHECKED, Stage.CLAIMED])
    service.drain()
    await turns()
    assert not working.done()
    bench.renderer.gate.set()
    assert await working
    assert sorted(stages(bench)) == [Stage.CHECKED, Stage.SUBMITTED]
    assert bench.shared.moves.count("claim") == 1


async def test_a_drain_ends_jobs_that_are_not_claimed(bench: Bench) -> None:
    """fault_74: waiting for an unavailable store; nothing is at stake, and a restart continues."""
    await bench.post()
    bench.store.fault = StoreUnavailable("away")
    service = bench.service()
    working = asyncio.create_task(service.run())
    await until(lambda: bench.journal.by_job)
    service.drain()
    assert await working
    assert stages(bench) == [Stage.SEEN]
    bench.store.fault = None
    assert await bench.service().run(once=True)
    assert stages(bench) == [Stage.SUBMITTED]


async def test_a_drain_waits_for_a_claim_that_is_being_made(bench: Bench) -> None:
    """A claim under way is not forgotten: it is finished, and its job served."""
    await bench.post()
    claim, claiming, go = bench.registry.claim, asyncio.Event(), asyncio.Event()

    async def slow(job_id: int) -> int:
        claiming.set()
        await go.wait()
        return await claim(job_id)

    bench.registry.claim = slow  # type: ignore[method-assign]
    service = bench.service()
    working = asyncio.create_task(service.run())
    await asyncio.wait_for(claiming.wait(), 5)
    service.drain()
    await asyncio.sleep(0.01)
    go.set()
    assert await working
    assert stages(bench) == [Stage.SUBMITTED]


async def test_a_drain_begins_no_claim_while_it_waits_for_others(bench: Bench) -> None:
    """fault_74: one of two claims that are being made is lost, and its renderer is free."""
    await bench.post(jobs=3)
    claim, going = bench.registry.claim, dict[int, asyncio.Event]()

    async def slow(job_id: int) -> int:
        going[job_id] = asyncio.Event()
        await going[job_id].wait()
        if len(going) == 2 and job_id == min(going):
            raise JobLost("Another worker was faster.")
        return await claim(job_id)

    bench.registry.claim = slow  # type: ignore[method-assign]
    service = bench.service(slots=2)
    working = asyncio.create_task(service.run())
    await until(lambda: len(going) == 2 and stages(bench) == [Stage.CHECKED] * 3)
    first, second = sorted(going)
    service.drain()
    await turns()
    going[first].set()
    await until(lambda: bench.attempt(first).stage is Stage.LOST)
    await asyncio.sleep(0.02)
    assert len(going) == 2
    going[second].set()
    assert await working
    assert sorted(stages(bench)) == [Stage.CHECKED, Stage.LOST, Stage.SUBMITTED]


async def test_a_drain_does_not_wait_for_the_disk(bench: Bench) -> None:
    """CHECKED, and no room for a claim: there is nothing to finish."""
    await bench.post()
    full = bench.context.workspace
    bench.begin(bench.job(), Stage.CHECKED)
    bench.context = replace(bench.context, disk_free_bytes=2**62)
    service = bench.service()
    with capture_logs() as lines:
        working = asyncio.create_task(service.run())
        await until(lambda: any("Only" in str(line) for line in lines))
        service.drain()
        assert await asyncio.wait_for(working, 5)
    assert stages(bench) == [Stage.CHECKED]
    assert full.folder.exists()


async def test_a_drain_does_not_wait_for_a_registry_that_never_answers(bench: Bench) -> None:
    """The registry is unavailable from the start."""
    bench.shared.faults += [RegistryUnavailable("away")] * 100_000
    service = bench.service()
    working = asyncio.create_task(service.run())
    await until(lambda: bench.shared.reads > 3)
    service.drain()
    assert await asyncio.wait_for(working, 5)


async def test_cancelling_kills_the_render_and_a_restart_continues(bench: Bench) -> None:
    """fault_75: at once; the claim is in the journal and the next run serves it."""
    await bench.post()
    bench.renderer.gate.clear()
    working = asyncio.create_task(bench.service().run())
    await until(lambda: bench.renderer.started)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert bench.renderer.cancelled == 1
    assert stages(bench) == [Stage.CLAIMED]
    bench.renderer.gate.set()
    assert await bench.service().run(once=True)
    assert stages(bench) == [Stage.SUBMITTED]
    assert bench.shared.moves.count("claim") == 1
