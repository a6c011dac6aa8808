"""Leases with fakes: the inspected size, the last moment of each step, and claims released in time."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests.fakes.bench import BOND, LEASE_SECONDS, ME, Bench, crash, until
from tests.fakes.renderer import INSPECTION
from tests.unit.worker.pipelines import run, stopped_at

from veriframe.errors import Code, HostUnavailable, RenderFailed, StoreUnavailable
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.registry.job import Job, JobState
from veriframe.retry import LONGEST_WAIT_SECONDS
from veriframe.worker import pipeline

HUGE = (16_000, 6_000)


async def post(bench: Bench, lease_seconds: int, bond_fri: int = 1000) -> Job:
    """Posts a job with its own lease."""
    (job,) = await bench.post()
    terms = replace(job.terms, lease_seconds=lease_seconds, bond_fri=bond_fri)
    bench.shared.jobs[1] = replace(job, order=replace(job.order, terms=terms))
    return bench.job()


def delay_render(bench: Bench, seconds: int, failure: Exception | None = None) -> None:
    """Makes the first render take this many chain seconds, and fail with `failure`."""
    bench.context.monotonic = lambda: float(bench.shared.now)
    if failure is not None:
        bench.script.render_failures.append(failure)
    bench.renderer.on_start = lambda: advance(bench, seconds)


def advance(bench: Bench, seconds: int) -> None:
    """Moves the chain's time, once."""
    bench.shared.now += seconds
    bench.renderer.on_start = lambda: None


async def test_a_frame_of_another_size_is_refused_right_after_the_render(bench: Bench) -> None:
    """fault_86: inspected with 64×36 pixels, rendered with 16000×6000: none of it is decoded."""
    bench.script.size = HUGE
    (job,) = await bench.post()
    after = await run(bench, bench.begin(job))
    assert (after.stage, after.code) == (Stage.RELEASED, Code.WRONG_SIZE)
    assert (after.width, after.height) == (64, 36)
    assert bench.renderer.validations == []
    assert after.lost_fri == bench.shared.burned_fri == 1


async def test_the_decoder_gets_the_inspected_size(bench: Bench) -> None:
    """fault_86: not the size that the render reported."""
    (job,) = await bench.post()
    await run(bench, bench.begin(job))
    assert [task.size for task in (*bench.renderer.tasks, *bench.renderer.validations)] == [(64, 36)] * 2
    assert len(bench.renderer.inspected) == 1


@pytest.mark.parametrize("stage", [Stage.CHECKED, Stage.CLAIMED, Stage.RENDERED])
async def test_an_attempt_without_a_size_is_inspected_again(bench: Bench, stage: Stage) -> None:
    """fault_86: started by a version that did not store it; the check is still made."""
    attempt = replace(await stopped_at(bench, stage), task=None)
    bench.amend(attempt)
    after = await run(bench, attempt)
    assert after.stage is Stage.SUBMITTED
    assert (after.width, after.height) == (64, 36)
    assert {task.size for task in bench.renderer.validations} == {(64, 36)}


async def test_a_picture_too_large_for_its_lease_is_refused_before_the_claim(bench: Bench) -> None:
    """fault_86: detected by the inspection; no bond is put up."""
    bench.script.inspection = replace(INSPECTION, width=8000, height=8000)
    await post(bench, 500)
    after = await run(bench, bench.begin(bench.job()))
    assert (after.stage, after.code) == (Stage.REFUSED, Code.LEASE)
    assert "12m5s that a job with 8000 × 8000 pixels may take" in after.detail
    assert bench.shared.moves == []


async def test_a_frame_finished_at_the_last_moment_is_submitted(bench: Bench) -> None:
    """fault_86: the reserve is subtracted once: decoding, upload and submission all have their time."""
    await post(bench, 373, bond_fri=0)
    delay_render(bench, 360)
    after = await run(bench, bench.begin(bench.job()))
    assert (after.stage, after.code) == (Stage.SUBMITTED, None)
    (seconds,) = bench.renderer.validation_leases
    assert 2 < seconds <= 3


async def test_an_endless_render_costs_half_of_the_bond(bench: Bench) -> None:
    """fault_86: with the shortest accepted lease, the render is stopped, and the claim is released early."""
    await post(bench, 400)
    delay_render(bench, 187, RenderFailed(Code.LEASE, "Blender was stopped."))
    after = await run(bench, bench.begin(bench.job()))
    (seconds,) = bench.renderer.leases
    assert 186 < seconds <= 188
    assert (after.stage, after.code) == (Stage.RELEASED, Code.LEASE)
    assert 400 < after.lost_fri <= 500
    assert after.lost_fri == bench.shared.burned_fri


async def test_a_second_try_has_only_the_remaining_time(bench: Bench) -> None:
    """fault_86: a scene that crashes late does not double the cost of its release."""
    await post(bench, 400)
    delay_render(bench, 150, crash())
    await run(bench, bench.begin(bench.job()))
    assert [int(seconds) for seconds in bench.renderer.leases] == [187, 37]


async def test_no_second_try_without_remaining_time(bench: Bench) -> None:
    """fault_86: nor may it use the rest of the lease."""
    await post(bench, 400)
    delay_render(bench, 190, crash())
    after = await run(bench, bench.begin(bench.job()))
    assert len(bench.renderer.tasks) == 1
    assert (after.stage, after.code) == (Stage.RELEASED, Code.LEASE)


async def stored_late(bench: Bench, left: float) -> Attempt:
    """A validated picture, with this much of the lease left to store it."""
    attempt = await stopped_at(bench, Stage.VALIDATED)
    bench.context = replace(bench.context, policy=replace(bench.policy, send_seconds=10 - left))
    bench.shared.now += LEASE_SECONDS - 10
    return attempt


async def test_a_store_that_hangs_releases_the_claim_in_time(bench: Bench) -> None:
    """fault_87: the upload is cancelled while there is time to release the job."""

    async def hang(*_: object) -> str:
        await asyncio.sleep(60)
        return ""

    attempt = await stored_late(bench, 0.05)
    bench.store.add = hang  # type: ignore[assignment]
    after = await asyncio.wait_for(run(bench, attempt), 5)
    assert (after.stage, after.code) == (Stage.RELEASED, Code.UPLOAD)
    assert "storing the picture" in after.detail
    assert bench.job().state is JobState.OPEN


async def test_a_timeout_inside_the_store_is_not_a_lease(bench: Bench) -> None:
    """It is a bug, and is not hidden."""

    async def broken(*_: object) -> str:
        raise TimeoutError

    attempt = await stopped_at(bench, Stage.VALIDATED)
    bench.store.add = broken  # type: ignore[assignment]
    with pytest.raises(TimeoutError):
        await pipeline.run(attempt, bench.context)


@pytest.mark.parametrize(
    ("stage", "code"),
    [(Stage.CLAIMED, Code.LEASE), (Stage.RENDERED, Code.LEASE), (Stage.VALIDATED, Code.UPLOAD)],
)
async def test_outages_are_not_waited_for_until_the_lease_is_over(
    bench: Bench, stage: Stage, code: Code
) -> None:
    """fault_87: waited for while a release stays cheap; released before the next wait would be too long."""
    attempt = await stopped_at(bench, stage)
    error: Exception = HostUnavailable("No Blender.")
    if stage is Stage.VALIDATED:
        bench.store.fault = error = StoreUnavailable("The store is away.")
    else:
        bench.renderer.fault = error
    with pytest.raises(type(error)):
        await pipeline.run(attempt, bench.context)
    bench.shared.now += LEASE_SECONDS // 2 - 10 - int(LONGEST_WAIT_SECONDS) - 1
    with pytest.raises(type(error)):
        await pipeline.run(attempt, bench.context)
    bench.shared.now += 1
    after = await run(bench, attempt)
    assert (after.stage, after.code) == (Stage.RELEASED, code)
    assert str(error) in after.detail
    assert after.lost_fri <= BOND // 2


async def test_a_store_that_stays_full_costs_half_of_the_bond_at_most(bench: Bench) -> None:
    """fault_87: the worker itself retries repeatedly, and then releases the job."""
    await bench.post()

    async def full(*_: object) -> str:
        bench.shared.now += 30
        raise StoreUnavailable("The store is full.")

    bench.store.add = full  # type: ignore[assignment]
    service = bench.service()
    working = asyncio.create_task(service.run())
    await until(lambda: bench.journal.by_job and bench.attempt().stage is Stage.RELEASED)
    service.drain()
    assert await working
    assert bench.attempt().code is Code.UPLOAD
    assert bench.shared.burned_fri == bench.attempt().lost_fri <= BOND // 2
    assert bench.shared.wallets[ME] + bench.shared.credits[ME] + bench.shared.burned_fri == 10**6
