"""What a job costs and earns, with fakes: fees of moves, fees of releases, bonds that are burned."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests.fakes.bench import ARBITER, BOND, LEASE_SECONDS, OTHER, REVIEW_SECONDS, REWARD, Bench, crash, until
from tests.unit.worker.pipelines import run, stopped_at

from veriframe.errors import Code, MoveRefused
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.registry.job import NOBODY, JobState, Verdict
from veriframe.worker.own_jobs import OwnJobs
from veriframe.worker.reconciliation import reconcile
from veriframe.worker.settlement.settling import settle

FEE = 3


@pytest.fixture
def bench(bench: Bench) -> Bench:
    """Each move costs `FEE`, and the worker's clock is the chain's."""
    bench.shared.fee_fri = FEE
    bench.context = replace(bench.context, clock=lambda: float(bench.shared.now))
    return bench


async def settled(bench: Bench) -> Attempt:
    """Returns the attempt after one poll of the watch."""
    own = OwnJobs(bench.context, 5.0)
    for finding in own.findings(await bench.registry.snapshot(1, 200), ()):
        await settle(finding, bench.context)
    return bench.attempt()


async def test_a_jobs_fees_are_those_of_its_moves(bench: Bench) -> None:
    """fault_89: claim, submission and finalizing; the earnings are the rest of the reward."""
    (job,) = await bench.post()
    await run(bench, bench.begin(job))
    assert bench.attempt().fees_fri == 2 * FEE
    bench.shared.now += REVIEW_SECONDS
    after = await settled(bench)
    assert (after.stage, after.fees_fri, after.lost_fri) == (Stage.PAID, 3 * FEE, 0)
    assert after.earned_fri == REWARD - 3 * FEE


async def test_a_job_of_one_fri_is_a_loss(bench: Bench) -> None:
    """fault_89: a loss, not a reward of 1 fri."""
    (job,) = await bench.post(reward_fri=1)
    await run(bench, bench.begin(job))
    await bench.creator.accept_result(1)
    after = await settled(bench)
    assert (after.stage, after.earned_fri) == (Stage.PAID, 1 - 2 * FEE)


async def test_a_release_costs_its_fee_and_a_part_of_the_bond(bench: Bench) -> None:
    """fault_89: the same as in the registry."""
    bench.script.render_failures += [crash(), crash()]
    attempt = await stopped_at(bench, Stage.FAILED)
    bench.shared.now += LEASE_SECONDS // 2
    after = await run(bench, attempt)
    assert (after.stage, after.fees_fri) == (Stage.RELEASED, 2 * FEE)
    assert after.lost_fri == bench.shared.burned_fri == BOND // 2
    assert after.earned_fri == -2 * FEE - BOND // 2


async def test_a_release_that_was_not_noted_is_counted_too(bench: Bench) -> None:
    """Killed between the release and its note: its fee is unknown, the part of the bond is not."""
    bench.script.render_failures += [crash(), crash()]
    attempt = await stopped_at(bench, Stage.FAILED)
    bench.shared.now += LEASE_SECONDS // 2
    await bench.registry.release(1, Code.CRASH)
    assert (await run(bench, attempt)).lost_fri == bench.shared.burned_fri
    bench.amend(attempt)
    await reconcile(bench.job(), bench.context, bench.shared.now)
    assert (bench.attempt().stage, bench.attempt().lost_fri) == (Stage.RELEASED, bench.shared.burned_fri)


@pytest.mark.parametrize("stage", [Stage.CLAIMED, Stage.VALIDATED, Stage.STORED, Stage.FAILED])
async def test_a_lease_that_lapsed_costs_the_bond(bench: Bench, stage: Stage) -> None:
    """fault_69: whether the step detects it, or the start of the next run."""
    if stage is Stage.FAILED:
        bench.script.render_failures += [crash(), crash()]
    attempt = await stopped_at(bench, stage)
    bench.shared.now += LEASE_SECONDS
    after = await run(bench, attempt)
    assert (after.stage, after.lost_fri) == (Stage.LOST, BOND)
    bench.amend(attempt)
    await reconcile(bench.job(), bench.context, bench.shared.now)
    assert (bench.attempt().stage, bench.attempt().lost_fri) == (Stage.LOST, BOND)


async def test_a_restored_claim_has_lost_nothing(bench: Bench) -> None:
    """fault_66: taken for lapsed, and then the chain shows it again."""
    attempt = await stopped_at(bench, Stage.CLAIMED)
    lost = replace(attempt.to(Stage.LOST, at=1.0), lost_fri=BOND, code=Code.LOST)
    bench.amend(lost)
    await reconcile(bench.job(), bench.context, bench.shared.now)
    assert (bench.attempt().stage, bench.attempt().lost_fri) == (Stage.CLAIMED, 0)


async def test_a_lost_dispute_costs_the_bond(bench: Bench) -> None:
    """The arbiter decided for the creator."""
    (job,) = await bench.post()
    terms = replace(job.terms, arbiter=ARBITER)
    bench.shared.jobs[1] = replace(job, order=replace(job.order, terms=terms))
    bench.context.policy = replace(bench.policy, arbiters=frozenset((ARBITER,)))
    await run(bench, bench.begin(bench.job()))
    await bench.creator.dispute_result(1, bench.attempt().result_cid)
    own = OwnJobs(bench.context, 1.0)
    await own.note_end(bench.job())
    assert bench.attempt().is_disputed, "which the screen tells"
    arbiter = type(bench.registry)(ARBITER, bench.shared)
    await arbiter.resolve_dispute(1, Verdict.CREATOR, bench.attempt().result_cid)
    after = await settled(bench)
    assert (after.stage, after.lost_fri) == (Stage.REFUNDED, BOND)
    assert after.earned_fri == -BOND - 2 * FEE


@pytest.mark.parametrize(
    ("stage", "move"),
    [(Stage.CHECKED, "claim"), (Stage.STORED, "submit_result"), (Stage.FAILED, "release")],
)
async def test_a_move_that_is_reverted_costs_its_fee(bench: Bench, stage: Stage, move: str) -> None:
    """fault_89: the attempt bears it, whatever its end."""
    if stage is Stage.FAILED:
        bench.script.render_failures += [crash(), crash()]
    attempt = await stopped_at(bench, stage)

    async def reverted(*_: object) -> int:
        raise MoveRefused("REVERTED", "It was reverted.", fee_fri=50)

    setattr(bench.registry, move, reverted)
    after = await run(bench, attempt)
    assert after.stage.is_end
    assert after.fees_fri == attempt.fees_fri + 50


async def test_a_reverted_finalize_costs_its_fee(bench: Bench) -> None:
    """fault_89: the result stays submitted."""
    (job,) = await bench.post()
    await run(bench, bench.begin(job))
    bench.shared.now += REVIEW_SECONDS

    async def reverted(job_id: int) -> int:
        raise MoveRefused("REVERTED", "It was reverted.", fee_fri=50)

    bench.registry.finalize = reverted  # type: ignore[method-assign]
    after = await settled(bench)
    assert (after.stage, after.fees_fri) == (Stage.SUBMITTED, 2 * FEE + 50)


async def test_a_claim_that_is_made_again_costs_twice(bench: Bench) -> None:
    """fault_66: a reorganisation removed the first one."""
    attempt = await stopped_at(bench, Stage.CLAIMED)
    bench.shared.jobs[1] = replace(bench.job(), state=JobState.OPEN, worker=NOBODY, claimed_at=0, lease_end=0)
    assert (await run(bench, attempt)).fees_fri == 3 * FEE


async def test_a_lost_race_costs_no_bond(bench: Bench) -> None:
    """fault_64: nothing was put up."""
    attempt = await stopped_at(bench, Stage.CHECKED)
    await bench.other.claim(1)
    after = await run(bench, attempt)
    assert (after.stage, after.lost_fri) == (Stage.LOST, 0)
    assert bench.job().worker == OTHER


async def test_a_race_that_is_run_again_keeps_its_costs(bench: Bench) -> None:
    """fault_89: the fee of the first, reverted claim still counts, for an attempt of its own."""
    await bench.post()
    claim = bench.registry.claim

    async def too_late(job_id: int) -> int:
        bench.registry.claim = claim  # type: ignore[method-assign]
        await bench.other.claim(job_id)
        raise MoveRefused("NOT_OPEN", "It was reverted.", fee_fri=50)

    bench.registry.claim = too_late  # type: ignore[method-assign]
    service = bench.service()
    working = asyncio.create_task(service.run())
    await until(lambda: bench.journal.by_job and bench.attempt().stage is Stage.LOST)
    bench.shared.now += LEASE_SECONDS
    await until(lambda: bench.attempt().stage is Stage.SUBMITTED)
    service.drain()
    assert await working
    assert [attempt.fees_fri for attempt in bench.journal.tries.values()] == [50, 2 * FEE]
