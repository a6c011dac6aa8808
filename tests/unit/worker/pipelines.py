"""Runs one job on fakes, whole or stopped where its worker died."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.fakes.bench import BOND, Bench

from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.registry.job import Job
from veriframe.worker import pipeline
from veriframe.worker.context import WorkerContext
from veriframe.worker.intake.discovery import Discovery
from veriframe.worker.recovery import recover, remove_leftovers, restore_attempts

STAGES = [
    Stage.FETCHED,
    Stage.CHECKED,
    Stage.CLAIMED,
    Stage.RENDERED,
    Stage.VALIDATED,
    Stage.STORED,
    Stage.SUBMITTED,
]

EARNING_MOVES = [f"deposit {BOND}", "claim", "submit_result"]


async def run(bench: Bench, attempt: Attempt) -> Attempt:
    """Returns the pipeline's result, which must also be in the journal."""
    after = await pipeline.run(attempt, bench.context)
    assert bench.attempt(attempt.job_id) == after
    return after


async def stopped_at(bench: Bench, stage: Stage) -> Attempt:
    """Returns an attempt whose worker died right after `stage`."""
    (job,) = await bench.post()

    class Died(Exception):
        """Not one of our errors, so that nothing handles it."""

    def die(before: Attempt, after: Attempt) -> None:
        if after.stage is stage:
            raise Died

    with pytest.raises(Died):
        await pipeline.run(bench.begin(job), replace(bench.context, on_stage=die))
    assert bench.attempt().stage is stage
    return bench.attempt()


async def restart(context: WorkerContext) -> None:
    """Does what a worker does before its first job, once it has read all jobs."""
    await recover(context)

    def on_event(jobs: Sequence[Job], now: int) -> None:
        restore_attempts(jobs, context, now)

    discovery = Discovery(context.registry, context.policy, lambda _: True, on_read=on_event)
    while not discovery.has_read_all:
        await discovery.poll()
    await remove_leftovers(context)
