"""The end of a job: its pay is collected and noted; and withdrawals."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.bench import (
    ARBITER,
    BOND,
    ME,
    OTHER,
    REVIEW_SECONDS,
    REWARD,
    Bench,
    result_pin,
)
from tests.fakes.registry import FakeRegistry

from veriframe.errors import Code, MoveRefused, StoreUnavailable
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.registry.job import Address, JobState, Verdict
from veriframe.worker import pipeline
from veriframe.worker.listener import Listener
from veriframe.worker.own_jobs import LAG_BLOCKS, Call, OwnJobs
from veriframe.worker.reconciliation import reconcile
from veriframe.worker.service import AGAIN_SECONDS
from veriframe.worker.settlement.settling import Withdrawal, settle, withdraw

COLD = Address(77)


async def submitted(bench: Bench, jobs: int = 1) -> Attempt:
    """Runs jobs to SUBMITTED. Returns the last attempt."""
    for job in await bench.post(jobs):
        attempt = await pipeline.run(bench.begin(job), bench.context)
    bench.shared.moves.clear()
    bench.told.clear()
    return attempt


@pytest.fixture
def own(bench: Bench) -> OwnJobs:
    """Our jobs, all read once before the test."""
    own = OwnJobs(bench.context, 5.0)
    own.is_starting = False
    return own


async def poll(bench: Bench, own: OwnJobs) -> list[Call]:
    """Reads the first jobs, and does what they call for."""
    calls = []
    for finding in own.findings(await bench.registry.snapshot(1, 200), ()):
        calls.append(finding.call)
        if finding.call is Call.RECONCILE:
            await reconcile(finding.job, bench.context, finding.now)
        elif finding.call is Call.NOTE_END:
            await own.note_end(finding.job)
        elif not await settle(finding, bench.context):
            own.defer(finding.job.id, AGAIN_SECONDS)
    return calls


async def test_nothing_happens_before_the_review_ends(bench: Bench, own: OwnJobs) -> None:
    """A second before its end."""
    await submitted(bench)
    bench.shared.now += REVIEW_SECONDS - 1
    await poll(bench, own)
    assert bench.shared.moves == []
    assert bench.attempt().stage is Stage.SUBMITTED


async def test_the_end_of_the_review_is_noted(bench: Bench, own: OwnJobs) -> None:
    """Once, then that of the arbitration: the journal knows it while no worker runs; listeners hear of it."""
    await submitted(bench)
    known: list[int] = []
    bench.context.listener.add(listener := Listener())
    listener.on_attempt = lambda attempt: known.append(attempt.due_at)  # type: ignore[method-assign]
    assert bench.attempt().due_at == 0
    assert await poll(bench, own) == [Call.NOTE_END]
    assert bench.attempt().due_at == (review_end := bench.job().review_end)
    assert await poll(bench, own) == []
    end = bench.shared.now + 60
    bench.shared.jobs[1] = replace(bench.job(), state=JobState.DISPUTED, arbitration_end=end)
    assert await poll(bench, own) == [Call.NOTE_END]
    assert bench.attempt().due_at == end
    assert bench.told == []
    assert known == [review_end, end]


async def test_pay_is_collected_when_the_review_is_over(bench: Bench, own: OwnJobs) -> None:
    """An absent creator cannot withhold pay: the worker finalizes itself."""
    attempt = await submitted(bench)
    bench.shared.now += REVIEW_SECONDS
    await poll(bench, own)
    assert bench.shared.moves == ["finalize"]
    assert bench.told == [Stage.PAID]
    assert bench.attempt().stage is Stage.PAID
    assert bench.shared.credits[ME] == REWARD + BOND
    assert not bench.context.workspace.validated(1).parent.exists()
    assert result_pin(ME, 1) not in [pin.name for pin in bench.store.pinned]
    assert attempt.result_cid in bench.store.files


async def test_an_acceptance_is_noted(bench: Bench, own: OwnJobs) -> None:
    """Paid by the creator, without a move of ours."""
    await submitted(bench)
    await bench.creator.accept_result(1)
    await poll(bench, own)
    assert bench.shared.moves == ["accept_result"]
    assert bench.attempt().stage is Stage.PAID


async def test_a_lost_dispute_is_noted(bench: Bench, own: OwnJobs) -> None:
    """REFUNDED ends the attempt; the result is no longer kept for it."""
    await submitted(bench)
    terms = replace(bench.job().terms, arbiter=ARBITER)
    bench.shared.jobs[1] = replace(bench.job(), order=replace(bench.job().order, terms=terms))
    await bench.creator.dispute_result(1, "evidence")
    await poll(bench, own)
    assert bench.attempt().stage is Stage.SUBMITTED
    await FakeRegistry(ARBITER, bench.shared).resolve_dispute(1, Verdict.CREATOR, "evidence")
    await poll(bench, own)
    assert bench.attempt().stage is Stage.REFUNDED
    assert bench.store.pinned == []


async def test_a_silent_arbiter_is_not_waited_for(bench: Bench, own: OwnJobs) -> None:
    """At the end of the arbitration, not before, the worker finalizes the job."""
    await submitted(bench)
    end = bench.shared.now + 60
    disputed = replace(bench.job(), state=JobState.DISPUTED, arbitration_end=end)
    bench.shared.jobs[1] = disputed
    finalized: list[int] = []

    async def finalize(job_id: int) -> int:
        finalized.append(job_id)
        bench.shared.jobs[1] = replace(disputed, state=JobState.PAID)
        return 0

    bench.registry.finalize = finalize  # type: ignore[method-assign]
    bench.shared.now = end - 1
    await poll(bench, own)
    assert finalized == []
    bench.shared.now = end
    await poll(bench, own)
    assert finalized == [1]
    assert bench.attempt().stage is Stage.PAID


async def test_another_may_finalize_first(bench: Bench, own: OwnJobs) -> None:
    """Refused because another account did it: the next poll notes the pay."""
    await submitted(bench)
    bench.shared.now += REVIEW_SECONDS
    finalize = bench.registry.finalize

    async def too_late(job_id: int) -> int:
        await finalize(job_id)
        raise MoveRefused("NOT_DUE", "The job is final.")

    bench.registry.finalize = too_late  # type: ignore[method-assign]
    await poll(bench, own)
    assert bench.attempt().stage is Stage.SUBMITTED
    await poll(bench, own)
    assert bench.attempt().stage is Stage.PAID


async def test_pay_that_went_to_another_is_not_taken_for_ours(bench: Bench, own: OwnJobs) -> None:
    """The registry wins: the attempt is lost, and no pay is noted."""
    await submitted(bench)
    bench.shared.jobs[1] = replace(bench.job(), worker=OTHER, state=JobState.PAID)
    await poll(bench, own)
    assert (bench.attempt().stage, bench.attempt().code) == (Stage.LOST, Code.LOST)


async def test_a_job_that_is_not_shown_is_waited_for(bench: Bench, own: OwnJobs) -> None:
    """A registry that lags behind is not trusted at once."""
    await submitted(bench)
    del bench.shared.jobs[1]
    await poll(bench, own)
    assert bench.attempt().stage is Stage.SUBMITTED


async def test_due_jobs_are_wanted(bench: Bench, own: OwnJobs) -> None:
    """Jobs not seen yet, or decided by time; waiting jobs are not read."""
    await submitted(bench, jobs=2)
    assert sorted(own.wanted(())) == [1, 2]
    await poll(bench, own)
    assert sorted(own.wanted(())) == []
    assert own.due_in_seconds() == REVIEW_SECONDS
    bench.shared.now += REVIEW_SECONDS
    bench.registry.finalize = _refused  # type: ignore[method-assign]
    await poll(bench, own)
    assert own.due_in_seconds() == AGAIN_SECONDS
    assert sorted(own.wanted(())) == []
    bench.shared.now += AGAIN_SECONDS
    list(own.findings(await bench.registry.snapshot(3, 1), ()))
    assert sorted(own.wanted(())) == [1, 2]


async def _refused(job_id: int) -> int:
    raise MoveRefused("NOT_DUE", "It does not poll so here.")


async def test_nothing_is_wanted_without_a_submission(bench: Bench, own: OwnJobs) -> None:
    """Nor is anything due."""
    bench.begin((await bench.post())[0])
    assert sorted(own.wanted(())) == []
    assert own.due_in_seconds() is None


async def test_a_submission_that_a_reorganisation_removed_is_made_again(bench: Bench, own: OwnJobs) -> None:
    """fault_67: the registry shows our claim again, on a chain as long as the one with the submission."""
    await submitted(bench)
    await poll(bench, own)
    claimed = replace(bench.job(), state=JobState.CLAIMED, result_cid="", review_end=0)
    bench.shared.jobs[1] = claimed
    bench.shared.block -= 1
    await poll(bench, own)
    assert bench.attempt().stage is Stage.SUBMITTED
    bench.shared.block += 1
    await poll(bench, own)
    assert bench.attempt().stage is Stage.STORED
    assert (await pipeline.run(bench.attempt(), bench.context)).stage is Stage.SUBMITTED


async def test_a_claim_that_a_lagging_node_still_shows_is_not_new(bench: Bench, own: OwnJobs) -> None:
    """Released a moment ago: it is polled until the end is seen, and not served."""
    (job,) = await bench.post()
    await bench.registry.claim(1)
    claimed = bench.job()
    bench.begin(job, Stage.RELEASED)
    assert await poll(bench, own) == []
    assert sorted(own.wanted(())) == [1]
    await bench.registry.release(1, Code.CRASH)
    bench.shared.block += LAG_BLOCKS
    assert await poll(bench, own) == []
    assert sorted(own.wanted(())) == []
    bench.shared.jobs[1] = claimed
    assert await poll(bench, own) == []
    bench.shared.block += LAG_BLOCKS
    assert await poll(bench, own) == [Call.RECONCILE]


async def test_a_node_that_lags_behind_a_submission_is_waited_for(bench: Bench, own: OwnJobs) -> None:
    """Never shown since it was made: it counts as undone only after a number of blocks."""
    await submitted(bench)
    shown = bench.job()
    bench.shared.jobs[1] = replace(shown, state=JobState.CLAIMED, result_cid="", review_end=0)
    await poll(bench, own)
    bench.shared.block += LAG_BLOCKS - 1
    await poll(bench, own)
    assert bench.attempt().stage is Stage.SUBMITTED
    bench.shared.block += 1
    await poll(bench, own)
    assert bench.attempt().stage is Stage.STORED


async def test_pay_is_noted_before_the_store_is_cleared(bench: Bench, own: OwnJobs) -> None:
    """An unavailable store does not hide the pay."""
    await submitted(bench)
    await bench.creator.accept_result(1)
    bench.store.fault = StoreUnavailable("The store is away.")
    with pytest.raises(StoreUnavailable):
        await poll(bench, own)
    assert bench.attempt().stage is Stage.PAID


async def test_withdrawal_leaves_the_kept_credit(bench: Bench) -> None:
    """All credit above the limit is sent, in one move, and then nothing more."""
    await submitted(bench)
    await bench.creator.accept_result(1)
    withdrawal = Withdrawal(keep_fri=30, recipient=COLD)
    for _ in range(2):
        await withdraw(bench.context, withdrawal)
    assert bench.shared.moves == ["accept_result", f"withdraw {REWARD + BOND - 30}"]
    assert bench.shared.wallets[COLD] == REWARD + BOND - 30
    assert bench.shared.credits[ME] == 30


async def test_a_refused_withdrawal_is_not_a_bug(bench: Bench) -> None:
    """The user spent the credit in between."""
    bench.shared.credits[ME] += 5

    async def refused(amount_fri: int, recipient: Address) -> None:
        raise MoveRefused("INSUFFICIENT_CREDIT", "There is less.")

    bench.registry.withdraw = refused  # type: ignore[method-assign]
    await withdraw(bench.context, Withdrawal(keep_fri=0, recipient=COLD))
    assert bench.shared.credits[ME] == 5
