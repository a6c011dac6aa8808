"""What becomes of submitted results."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests.fakes.parts import (
    ARBITER,
    BOND,
    CREATOR,
    ME,
    OTHER,
    REVIEW_SECONDS,
    REWARD,
    WALLET,
    Bench,
)
from tests.fakes.registry import FakeRegistry

from veriframe.errors import Code, MoveRefused, RegistryUnavailable, StoreUnavailable
from veriframe.model.attempt import Attempt, Stage
from veriframe.model.job import Address, JobState, Verdict
from veriframe.worker import pipeline
from veriframe.worker.steps import result_pin
from veriframe.worker.watch import Withdrawal, watch_once

COLD = Address(77)


async def submitted(bench: Bench, jobs: int = 1) -> Attempt:
    """Jobs that came as far as SUBMITTED; the last one's attempt."""
    for job in await bench.post(jobs):
        attempt = await pipeline.run(bench.begin(job), bench.parts)
    bench.shared.moves.clear()
    bench.told.clear()
    return attempt


async def test_before_its_time_nothing_happens(bench: Bench) -> None:
    """A second before the review ends."""
    await submitted(bench)
    bench.shared.now += REVIEW_SECONDS - 1
    await watch_once(bench.parts, None)
    assert bench.shared.moves == []
    assert bench.attempt().stage is Stage.SUBMITTED


async def test_pay_is_fetched_when_the_review_is_over(bench: Bench) -> None:
    """A creator who vanished does not withhold pay: the worker finalizes itself."""
    attempt = await submitted(bench)
    bench.shared.now += REVIEW_SECONDS
    await watch_once(bench.parts, None)
    assert bench.shared.moves == ["finalize"]
    assert bench.told == [Stage.PAID]
    assert bench.attempt().stage is Stage.PAID
    assert bench.shared.credits[ME] == REWARD + BOND
    assert not bench.parts.workspace.proved(1).parent.exists()
    assert result_pin(ME, 1) not in [pin.name for pin in bench.store.pinned]
    assert attempt.result_cid in bench.store.files


async def test_an_acceptance_is_noted(bench: Bench) -> None:
    """Paid by the creator: no move of ours."""
    await submitted(bench)
    await bench.creator.accept_result(1)
    await watch_once(bench.parts, None)
    assert bench.shared.moves == ["accept_result"]
    assert bench.attempt().stage is Stage.PAID


async def test_a_lost_dispute_is_noted(bench: Bench) -> None:
    """REFUNDED ends the attempt; the result is no longer kept for it."""
    await submitted(bench)
    terms = replace(bench.job().terms, arbiter=ARBITER)
    bench.shared.jobs[1] = replace(bench.job(), order=replace(bench.job().order, terms=terms))
    await bench.creator.dispute_result(1, "evidence")
    await watch_once(bench.parts, None)
    assert bench.attempt().stage is Stage.SUBMITTED
    await FakeRegistry(ARBITER, bench.shared).resolve_dispute(1, Verdict.CREATOR, "evidence")
    await watch_once(bench.parts, None)
    assert bench.attempt().stage is Stage.REFUNDED
    assert bench.store.pinned == []


async def test_a_silent_arbiter_is_not_waited_for(bench: Bench) -> None:
    """At the end of the arbitration, not before, the worker asks for its pay."""
    await submitted(bench)
    end = bench.shared.now + 60
    disputed = replace(bench.job(), state=JobState.DISPUTED, arbitration_end=end)
    bench.shared.jobs[1] = disputed
    asked: list[int] = []

    async def finalize(job_id: int) -> None:
        asked.append(job_id)
        bench.shared.jobs[1] = replace(disputed, state=JobState.PAID)

    bench.registry.finalize = finalize  # type: ignore[method-assign]
    bench.shared.now = end - 1
    await watch_once(bench.parts, None)
    assert asked == []
    bench.shared.now = end
    await watch_once(bench.parts, None)
    assert asked == [1]
    assert bench.attempt().stage is Stage.PAID


async def test_who_finalized_first_does_not_matter(bench: Bench) -> None:
    """Refused because somebody else did it: the next look notes the pay."""
    await submitted(bench)
    bench.shared.now += REVIEW_SECONDS
    finalize = bench.registry.finalize

    async def too_late(job_id: int) -> None:
        await finalize(job_id)
        raise MoveRefused("NOT_DUE", "The job is final.")

    bench.registry.finalize = too_late  # type: ignore[method-assign]
    await watch_once(bench.parts, None)
    assert bench.attempt().stage is Stage.SUBMITTED
    await watch_once(bench.parts, None)
    assert bench.attempt().stage is Stage.PAID


async def test_pay_that_went_to_another_is_not_taken_for_ours(bench: Bench) -> None:
    """The registry wins: the attempt is lost, and nothing is said to be earned."""
    await submitted(bench)
    bench.shared.jobs[1] = replace(bench.job(), worker=OTHER, state=JobState.PAID)
    await watch_once(bench.parts, None)
    assert (bench.attempt().stage, bench.attempt().code) == (Stage.LOST, Code.LOST)


async def test_a_job_that_is_out_of_sight_is_waited_for(bench: Bench) -> None:
    """A registry that lags is not taken at its word."""
    await submitted(bench)
    del bench.shared.jobs[1]
    await watch_once(bench.parts, None)
    assert bench.attempt().stage is Stage.SUBMITTED


async def test_many_submissions_are_looked_at_in_few_reads(bench: Bench) -> None:
    """By windows, not one by one."""
    bench.shared.wallets[CREATOR] += WALLET
    await submitted(bench, jobs=60)
    bench.shared.reads = 0
    await watch_once(bench.parts, None)
    assert bench.shared.reads == 2


async def test_a_registry_that_is_away_is_raised(bench: Bench) -> None:
    """For whoever waits."""
    await submitted(bench)
    bench.shared.faults.append(RegistryUnavailable("The registry is away."))
    with pytest.raises(RegistryUnavailable):
        await watch_once(bench.parts, None)


async def test_pay_is_noted_before_the_store_is_cleared(bench: Bench) -> None:
    """A store that is away does not hide the pay."""
    await submitted(bench)
    await bench.creator.accept_result(1)
    bench.store.fault = StoreUnavailable("The store is away.")
    with pytest.raises(StoreUnavailable):
        await watch_once(bench.parts, None)
    assert bench.attempt().stage is Stage.PAID


async def test_withdrawal_leaves_what_is_to_be_kept(bench: Bench) -> None:
    """All above the kept credit goes, in one move, and then nothing more."""
    await submitted(bench)
    await bench.creator.accept_result(1)
    withdrawal = Withdrawal(keep_fri=30, recipient=COLD)
    for _ in range(2):
        await watch_once(bench.parts, withdrawal)
    assert bench.shared.moves == ["accept_result", f"withdraw {REWARD + BOND - 30}"]
    assert bench.shared.wallets[COLD] == REWARD + BOND - 30
    assert bench.shared.credits[ME] == 30


async def test_withdrawal_comes_after_an_outage_too(bench: Bench) -> None:
    """The pay was noted, the withdrawal was cut off: nothing is submitted any more, and it still comes."""
    await submitted(bench)
    await bench.creator.accept_result(1)
    await watch_once(bench.parts, None)
    await watch_once(bench.parts, Withdrawal(keep_fri=0, recipient=COLD))
    assert bench.shared.wallets[COLD] == REWARD + BOND


async def test_a_refused_withdrawal_is_no_bug(bench: Bench) -> None:
    """The credit was used by hand in between."""
    bench.shared.credits[ME] += 5

    async def refused(amount_fri: int, recipient: Address) -> None:
        raise MoveRefused("INSUFFICIENT_CREDIT", "There is less.")

    bench.registry.withdraw = refused  # type: ignore[method-assign]
    await watch_once(bench.parts, Withdrawal(keep_fri=0, recipient=COLD))
    assert bench.shared.credits[ME] == 5


async def test_money_for_a_bond_is_not_withdrawn(bench: Bench) -> None:
    """A claim in progress holds the money: the withdrawal waits, and then leaves the bond alone."""
    bench.shared.credits[ME] += 5
    async with bench.parts.money:
        watching = asyncio.create_task(watch_once(bench.parts, Withdrawal(keep_fri=0, recipient=COLD)))
        await asyncio.sleep(0)
        bench.shared.credits[ME] -= 5
    await watching
    assert bench.shared.moves == []
