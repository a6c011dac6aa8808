"""The claim policy: every limit of the decision."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from veriframe.model.attempt import lease
from veriframe.model.attempt.policy import DAY, Policy
from veriframe.model.quantities import format_span
from veriframe.model.registry.job import NOBODY, Address, Job, JobState, Order, Terms
from veriframe.model.rendering.frames import RenderLimits, RenderTask

NOW = 1_700_000_000
ME, CREATOR, ARBITER, OTHER = Address(1), Address(2), Address(3), Address(4)
POLICY = Policy(account=ME, limits=RenderLimits(frame_seconds=300, loading_seconds=60))
RESERVE = lease.reserve(1920, 1080)
NEEDED_SECONDS = math.ceil(360 + RESERVE.seconds)
TERMS = Terms(
    reward_fri=100,
    bond_fri=10,
    deadline=NOW + 1000,
    lease_seconds=3600,
    review_seconds=600,
    arbitration_seconds=60,
)


def a_job(state: JobState = JobState.OPEN, holder: Address = NOBODY, lease_end: int = 0, **terms: Any) -> Job:
    """A job of `CREATOR` with some other terms."""
    order = Order(
        id=1,
        creator=CREATOR,
        asset_cid="bafy",
        terms=replace(TERMS, **terms),
        first_job=1,
        jobs=1,
        created_at=NOW,
    )
    return Job(id=1, order=order, part=0, state=state, worker=holder, lease_end=lease_end)


def test_an_ordinary_job_is_taken() -> None:
    """Open, within its deadline, from anyone, without an arbiter."""
    assert POLICY.objection(a_job(), NOW) == ""


@pytest.mark.parametrize(
    ("job", "now"),
    [
        (a_job(), NOW + 1000),
        (a_job(JobState.CLAIMED, OTHER, NOW + 5), NOW),
        (a_job(JobState.SUBMITTED, OTHER), NOW),
        (a_job(JobState.DISPUTED, OTHER), NOW),
        (a_job(JobState.PAID, OTHER), NOW),
        (a_job(JobState.REFUNDED), NOW),
    ],
)
def test_jobs_that_cannot_be_claimed_are_not_taken(job: Job, now: int) -> None:
    """fault_8: a past deadline and every state but open are objections."""
    assert POLICY.objection(job, now) == "it is not open"


def test_the_last_second_before_the_deadline_is_in_time() -> None:
    """Half-open time: legal while now < deadline."""
    assert replace(POLICY, begin_seconds=1).objection(a_job(), NOW + 999) == ""


def test_a_deadline_that_is_too_near_is_an_objection() -> None:
    """fault_85: the scene must be fetched and checked before the claim: at least half a minute."""
    assert POLICY.objection(a_job(), NOW + 970) == ""
    assert "its deadline is in 29s, too soon" in POLICY.objection(a_job(), NOW + 971)


def test_a_lapsed_claim_of_another_is_open_and_one_of_our_own_is_not() -> None:
    """The registry bars an account whose claim has lapsed."""
    assert POLICY.objection(a_job(JobState.CLAIMED, OTHER, NOW), NOW) == ""
    assert POLICY.objection(a_job(JobState.CLAIMED, ME, NOW), NOW) == "our own claim on it has lapsed"


def test_creator_and_arbiter_do_not_claim() -> None:
    """fault_10: an own job, or one whose arbiter this account is, is not taken."""
    as_creator, as_arbiter = replace(POLICY, account=CREATOR), replace(POLICY, account=ARBITER)
    trusting = replace(as_arbiter, arbiters=frozenset((ARBITER,)))
    assert "may not claim" in as_creator.objection(a_job(), NOW)
    assert "may not claim" in trusting.objection(a_job(arbiter=ARBITER), NOW)


def test_arbiters_are_trusted_by_name_only() -> None:
    """fault_10: an arbiter is an objection unless listed."""
    job = a_job(arbiter=ARBITER)
    trusting = replace(POLICY, arbiters=frozenset((ARBITER,)))
    assert "arbiters" in POLICY.objection(job, NOW)
    assert trusting.objection(job, NOW) == ""


def test_a_job_for_one_worker_is_for_that_worker() -> None:
    """For a named worker: us, or another."""
    assert POLICY.objection(a_job(worker=ME), NOW) == ""
    assert POLICY.objection(a_job(worker=OTHER), NOW) == "it is for another worker"


def test_creators_are_denied_and_allowed() -> None:
    """Denied creators are not served; if some are allowed, no others are; a denial wins."""
    denying = replace(POLICY, creators_denied=frozenset((CREATOR,)))
    allowing = replace(POLICY, creators_allowed=frozenset((CREATOR,)))
    others = replace(POLICY, creators_allowed=frozenset((OTHER,)))
    assert "creators_denied" in denying.objection(a_job(), NOW)
    assert allowing.objection(a_job(), NOW) == ""
    assert "creators_allowed" in others.objection(a_job(), NOW)
    both = replace(allowing, creators_denied=frozenset((CREATOR,)))
    assert "creators_denied" in both.objection(a_job(), NOW)


def test_the_least_reward_is_enough() -> None:
    """The minimum itself is taken, one fri less is not."""
    policy = replace(POLICY, minimum_reward_fri=100)
    assert policy.objection(a_job(), NOW) == ""
    assert "minimum_reward_strk" in policy.objection(a_job(reward_fri=99), NOW)


def test_a_lease_that_is_exactly_enough_is_enough() -> None:
    """fault_8: the wall-clock limit plus the reserve, to the second."""
    assert POLICY.objection(a_job(lease_seconds=NEEDED_SECONDS), NOW) == ""
    assert f"its lease of {format_span(NEEDED_SECONDS - 1)}" in POLICY.objection(
        a_job(lease_seconds=NEEDED_SECONDS - 1), NOW
    )


def test_more_frames_need_a_longer_lease() -> None:
    """Loading counts once, and each frame adds its time."""
    job = a_job(lease_seconds=NEEDED_SECONDS + 300)
    assert POLICY.objection(job, NOW, RenderTask(frames=tuple(range(1, 3)))) == ""
    assert "its lease" in POLICY.objection(job, NOW, RenderTask(frames=tuple(range(1, 4))))


def test_seven_days_of_waiting_are_not_too_long() -> None:
    """Review and arbitration together; the limit itself is taken, a second more is not."""
    policy = replace(POLICY, arbiters=frozenset((ARBITER,)))
    week = a_job(arbiter=ARBITER, review_seconds=3 * DAY, arbitration_seconds=4 * DAY)
    longer = a_job(arbiter=ARBITER, review_seconds=3 * DAY + 1, arbitration_seconds=4 * DAY)
    assert policy.objection(week, NOW) == ""
    assert "maximum_wait_seconds" in policy.objection(longer, NOW)


def test_without_an_arbiter_only_the_review_delays_the_pay() -> None:
    """There can be no dispute."""
    assert POLICY.objection(a_job(review_seconds=7 * DAY, arbitration_seconds=30 * DAY), NOW) == ""
    assert "maximum_wait_seconds" in POLICY.objection(a_job(review_seconds=7 * DAY + 1), NOW)
