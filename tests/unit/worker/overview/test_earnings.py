"""The registry's figures where the journal's may be inexact."""

from __future__ import annotations

from dataclasses import replace

from tests.fakes.bench import BOND, ME, Bench

from veriframe.errors import Code
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.attempt.earnings import Settled
from veriframe.model.registry.history import JobHistory
from veriframe.model.registry.job import Job
from veriframe.worker.overview.earnings import read_settled


async def released(bench: Bench) -> Attempt:
    """An attempt that was released after half its lease, whose journal has another figure."""
    (job,) = await bench.post()
    await bench.registry.deposit(BOND)
    await bench.registry.claim(job.id)
    bench.shared.now += job.terms.lease_seconds // 2
    await bench.registry.release(job.id, Code.OOM)
    attempt = bench.begin(job, Stage.RELEASED, lost_fri=BOND - 1)
    return replace(attempt, reached={Stage.CLAIMED: 1.0, Stage.RELEASED: 2.0})


async def test_a_release_is_read_from_the_registry(bench: Bench) -> None:
    """fault_186: to the last fri."""
    attempt = await released(bench)
    found = await read_settled(bench.registry, ME, [attempt])
    assert found == {attempt.number: Settled(lost_fri=BOND // 2)}


async def test_a_history_with_a_gap_is_not_believed(bench: Bench) -> None:
    """fault_186: the journal's figure stays."""
    attempt = await released(bench)

    async def cut(job: Job) -> JobHistory:
        return JobHistory(gap="The node has no events.")

    bench.registry.history = cut  # type: ignore[method-assign]
    assert await read_settled(bench.registry, ME, [attempt]) == {}


async def test_attempts_without_a_loss_cost_no_call(bench: Bench) -> None:
    """Nor do those that never held a claim; far apart, each job is read in a window of its own."""
    jobs = await bench.post(jobs=300)
    lost = [bench.begin(job, Stage.LOST) for job in jobs]
    assert await read_settled(bench.registry, ME, lost) == {}
    before = bench.shared.reads
    held = [replace(lost[n], reached={Stage.CLAIMED: 0.0, Stage.LOST: 1.0}) for n in (0, 1, 299)]
    assert await read_settled(bench.registry, ME, held) == {}
    assert bench.shared.reads - before == 2
