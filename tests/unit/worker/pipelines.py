"""Runs one job on fakes, whole or stopped where its worker died."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.bench import BOND, Bench

from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.worker import pipeline
from veriframe.worker.context import WorkerContext
from veriframe.worker.intake.discovery import Discovery
from veriframe.worker.listener import Listener, Listeners
from veriframe.worker.own_jobs import Call, OwnJobs
from veriframe.worker.reconciliation import reconcile
from veriframe.worker.recovery import recover, remove_leftovers

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

    class Dying(Listener):
        def on_stage(self, before: Attempt, after: Attempt) -> None:
            if after.stage is stage:
                raise Died

    with pytest.raises(Died):
        await pipeline.run(bench.begin(job), replace(bench.context, listener=Listeners([Dying()])))
    bench.remember(bench.attempt())
    assert bench.attempt().stage is stage
    return bench.attempt()


async def restart(context: WorkerContext) -> None:
    """Does what a worker does before its first job, once it has read all jobs."""
    await context.attempts.load(0.0)
    await recover(context)
    own = OwnJobs(context, 5.0)
    discovery = Discovery(context.registry, context.policy, lambda _: True)
    while not discovery.has_read_all:
        snapshot, _ = await discovery.poll()
        for finding in own.findings(snapshot, ()):
            if finding.call is Call.RECONCILE:
                await reconcile(finding.job, context, finding.now)
    await remove_leftovers(context)
