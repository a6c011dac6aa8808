"""What attempts have earned, and what a registry's events say of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.attempt.earnings import (
    Earnings,
    Settled,
    earnings,
    grouped,
    needs_events,
    render_seconds,
    settled,
    total,
)
from veriframe.model.registry.history import JobEvent
from veriframe.model.registry.job import Address, Job, JobState, Order, Terms
from veriframe.model.registry.ledger import EventKind

ME, OTHER, CREATOR = Address(1), Address(2), Address(3)
TERMS = Terms(
    reward_fri=100, bond_fri=10, deadline=9, lease_seconds=60, review_seconds=60, arbitration_seconds=60
)
ORDER = Order(id=1, creator=CREATOR, asset_cid="bafk", terms=TERMS, first_job=1, jobs=1, created_at=0)
JOB = Job(id=1, order=ORDER, part=0)
PAID = Attempt(
    job_id=1, asset_cid="bafk", reward_fri=100, bond_fri=10, number=5, stage=Stage.PAID, fees_fri=3
)


def event(kind: EventKind, party: Address = ME, amount_fri: int = 0, reason: str = "") -> JobEvent:
    """One event of the job."""
    return JobEvent(kind=kind, at=1, party=party, amount_fri=amount_fri, reason=reason)


CLAIMED, SUBMITTED = event(EventKind.JOB_CLAIMED, amount_fri=10), event(EventKind.RESULT_SUBMITTED)
STORIES = {
    "paid": ([CLAIMED, SUBMITTED, event(EventKind.JOB_PAID, amount_fri=110)], Settled()),
    "released": ([CLAIMED, event(EventKind.JOB_RELEASED, amount_fri=4)], Settled(lost_fri=4)),
    "lapsed": ([CLAIMED, event(EventKind.CLAIM_LAPSED, amount_fri=10)], Settled(lost_fri=10)),
    "dispute won": (
        [
            SUBMITTED,
            event(EventKind.DISPUTE_RESOLVED, OTHER, reason="WORKER"),
            event(EventKind.JOB_PAID, amount_fri=120),
        ],
        Settled(won_fri=10),
    ),
    "dispute lost": (
        [SUBMITTED, event(EventKind.DISPUTE_RESOLVED, OTHER, reason="CREATOR")],
        Settled(lost_fri=10),
    ),
    "another worker's": (
        [
            event(EventKind.JOB_RELEASED, OTHER, 4),
            event(EventKind.RESULT_SUBMITTED, OTHER),
            event(EventKind.DISPUTE_RESOLVED, OTHER, reason="CREATOR"),
            event(EventKind.JOB_PAID, OTHER, 120),
        ],
        Settled(),
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_events_say_what_was_won_and_lost(story: str) -> None:
    """fault_186: only what is ours counts; a bond that came back is neither."""
    events, expected = STORIES[story]
    assert settled(events, ME, JOB) == expected


def test_the_registry_overrides_the_journal() -> None:
    """fault_186: what was lost, and what was won; reward and fees are the journal's."""
    assert earnings(PAID) == Earnings(jobs=1, reward_fri=100, fees_fri=3)
    assert earnings(PAID, Settled(won_fri=10)).earned_fri == 107
    released = replace(PAID, stage=Stage.RELEASED, lost_fri=5)
    assert (earnings(released).earned_fri, earnings(released, Settled(lost_fri=4)).earned_fri) == (-8, -7)


def test_only_attempts_that_may_be_inexact_need_events() -> None:
    """fault_186: a lost bond, or pay after a dispute."""
    paid = replace(JOB, state=JobState.PAID, worker=ME)
    assert not needs_events(PAID, paid)
    assert needs_events(PAID, replace(paid, disputed_block=7))
    assert needs_events(replace(PAID, stage=Stage.RELEASED, lost_fri=1), JOB)


@pytest.mark.parametrize(
    ("reached", "seconds"),
    [
        ({}, 0.0),
        ({Stage.CLAIMED: 10.0}, 0.0),
        ({Stage.CLAIMED: 10.0, Stage.RENDERED: 70.0, Stage.VALIDATED: 80.0}, 60.0),
        ({Stage.CLAIMED: 10.0, Stage.FAILED: 30.0, Stage.RELEASED: 90.0}, 20.0),
        ({Stage.CLAIMED: 10.0, Stage.LOST: 15.0}, 5.0),
        ({Stage.SEEN: 1.0, Stage.LOST: 15.0}, 0.0),
        ({Stage.CLAIMED: 10.0, Stage.RENDERED: 5.0}, 0.0),
    ],
)
def test_render_time_is_from_the_claim_to_the_last_frame(reached: dict[Stage, float], seconds: float) -> None:
    """Or to its failure; a clock that was set back gives none."""
    assert render_seconds(replace(PAID, reached=reached)) == seconds


def test_an_hours_earnings_are_exact() -> None:
    """Whole fri, rounded down, also of losses; none without a render."""
    sums = Earnings(reward_fri=10**30 + 1, render_seconds=7200.0)
    assert sums.hourly_fri == (10**30 + 1) // 2
    assert Earnings(lost_fri=1, render_seconds=7200.0).hourly_fri == -1
    assert Earnings(reward_fri=1).hourly_fri is None


def test_groups_add_up_to_the_total() -> None:
    """In the order of their first attempt."""
    attempts = [replace(PAID, number=number, job_id=number % 2) for number in range(5)]
    groups = grouped(attempts, lambda attempt: str(attempt.job_id), {2: Settled(won_fri=1)})
    assert list(groups) == ["0", "1"]
    assert total(list(groups.values())).earned_fri == 5 * 97 + 1
