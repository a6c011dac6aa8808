"""What a worker has at stake, through its attempts and over restarts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.bench import CREATOR, ME, OTHER, Bench
from tests.unit.worker.clock import ManualClock

from veriframe.errors import Code
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.attempt.stakes import DAY, CreatorRecord, CreatorTotals, StakeLimits, Stakes
from veriframe.model.registry.job import JobState
from veriframe.ports.registry import Funds
from veriframe.worker.intake.exposure import Exposure

FUNDS = Funds(wallet_fri=900, credit_fri=100, job_fees_fri=7)


def attempt(job_id: int, stage: Stage, at: float = 1000.0, **facts: int) -> Attempt:
    """An attempt with a bond of 10."""
    started = Attempt(job_id=job_id, asset_cid="b", reward_fri=100, creator=CREATOR, bond_fri=10)
    return replace(started, stage=stage, reached={Stage.SEEN: 1.0, stage: at}, **facts)  # type: ignore[arg-type]


def exposure(*attempts: Attempt, clock: ManualClock | None = None) -> Exposure:
    """The exposure of a worker that starts with these attempts in its journal."""
    known = Exposure(StakeLimits(), clock or ManualClock())
    known.read(attempts, {})
    return known


def record(known: Exposure) -> CreatorRecord:
    """Returns the creator's record."""
    return known.stakes(FUNDS).record(CREATOR)


def test_bonds_are_bound_from_the_claim_to_the_end() -> None:
    """A bond is at stake until the result is submitted, and bound until its job is over."""
    for stage in Stage:
        known = exposure(attempt(1, stage))
        bound_fri = 10 if stage.holds_claim or stage is Stage.SUBMITTED else 0
        staked = not stage.is_end and stage is not Stage.SUBMITTED
        assert known.stakes(FUNDS).bound_fri == bound_fri, stage
        assert (record(known).staked_fri, record(known).under_way) == (17 * staked, int(staked)), stage


def test_pay_is_what_is_left_after_fees() -> None:
    """fault_89: a creator is trusted with what it has really earned us."""
    known = exposure(attempt(1, Stage.PAID, fees_fri=30), attempt(2, Stage.REFUNDED, lost_fri=10))
    assert record(known).balance_fri == 60


def test_fees_of_wasted_attempts_are_lost() -> None:
    """fault_89: claims and releases cost fees, whatever the bond."""
    known = exposure(attempt(1, Stage.RELEASED, fees_fri=3, lost_fri=2), attempt(2, Stage.LOST, fees_fri=4))
    assert record(known).lost_fri == 9


def test_who_has_paid_for_the_bonds_under_way() -> None:
    """fault_127: and not only once a little, for all that follows."""
    paid = attempt(1, Stage.PAID, fees_fri=85)
    assert not exposure().is_backed(attempt(2, Stage.SEEN))
    assert exposure(paid).is_backed(attempt(2, Stage.SEEN))
    both = exposure(paid, attempt(2, Stage.CLAIMED), attempt(3, Stage.CLAIMED))
    assert not both.is_backed(attempt(2, Stage.CLAIMED))
    submitted = exposure(paid, attempt(2, Stage.CLAIMED), attempt(3, Stage.SUBMITTED))
    assert submitted.is_backed(attempt(2, Stage.CLAIMED))
    assert not exposure(attempt(1, Stage.RELEASED)).is_backed(attempt(2, Stage.SEEN, bond_fri=0))


def test_losses_are_charged_for_a_day() -> None:
    """fault_81: also after a restart, from the journal."""
    clock = ManualClock()
    known = exposure(attempt(1, Stage.RELEASED, clock.seconds, lost_fri=9), clock=clock)
    clock.seconds += DAY - 1
    assert (record(known).lost_today_fri, known.stakes(FUNDS).charged_fri) == (9, 9)
    clock.seconds += 1
    assert (record(known).lost_today_fri, known.stakes(FUNDS).charged_fri) == (0, 0)
    assert record(known).lost_fri == 9


def test_an_attempt_counts_once_however_often_it_is_noted() -> None:
    """Its stages one after the other, and its end twice."""
    known = exposure()
    for stage in (Stage.SEEN, Stage.FETCHED, Stage.CHECKED, Stage.CLAIMED, Stage.SUBMITTED):
        known.note(attempt(1, stage))
    for _ in range(2):
        known.note(attempt(1, Stage.PAID))
    assert record(known) == CreatorRecord(paid_fri=100)
    assert known.stakes(FUNDS) == Stakes(
        free_fri=1000, job_fees_fri=7, creators={CREATOR: CreatorRecord(paid_fri=100)}
    )


def test_each_attempt_at_a_job_counts_once() -> None:
    """fault_89: with lost races on one job, the fees of all attempts count, but each only once."""
    known = exposure()
    for number in range(1, 21):
        known.note(attempt(1, Stage.SEEN, number=number))
        for _ in range(2):
            known.note(attempt(1, Stage.LOST, number=number, fees_fri=1))
    assert (record(known).lost_fri, record(known).lost_today_fri) == (20, 20)


def test_compacted_attempts_count() -> None:
    """Their pay is trusted, and is not counted again when the registry shows their jobs."""
    known = Exposure(StakeLimits(), ManualClock())
    known.read([attempt(1, Stage.PAID)], {CREATOR: CreatorTotals(paid_fri=50, lost_fri=20)})
    assert (record(known).paid_fri, record(known).lost_fri) == (150, 20)


async def test_pay_of_compacted_attempts_is_not_counted_twice(bench: Bench) -> None:
    """A journal that has compacted attempts was not lost."""
    (job,) = await bench.post()
    known = Exposure(StakeLimits(), ManualClock())
    known.read([], {CREATOR: CreatorTotals(paid_fri=50, lost_fri=20)})
    known.note_job(replace(job, state=JobState.PAID, worker=ME), ME)
    assert record(known).paid_fri == 50


async def test_pay_that_the_journal_lost_is_read_from_the_registry(bench: Bench) -> None:
    """fault_77: known creators stay known after a disk was lost; other workers' pay is not ours."""
    first, second = await bench.post(jobs=2)
    known = exposure(attempt(first.id, Stage.PAID))
    for job, worker in ((first, ME), (second, ME), (second, ME), (replace(second, id=3), OTHER)):
        known.note_job(replace(job, state=JobState.PAID, worker=worker), ME)
    assert record(known).paid_fri == 200


@pytest.mark.parametrize("code", [Code.CRASH, Code.TIMEOUT])
def test_the_creators_share_of_the_budget_is_its_losses_beyond_its_pay(code: Code) -> None:
    """fault_81: a creator who has paid 100 may cost 90 without a charge."""
    known = exposure(
        attempt(1, Stage.PAID),
        *(replace(attempt(job_id, Stage.RELEASED, lost_fri=10), code=code) for job_id in range(2, 14)),
    )
    assert record(known).charged_fri == 20
