"""Posting orders: the limits of terms and the numbers of jobs. The plural calls."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes import plural
from tests.unit.model.registry.escrow_invariants import BOUND_FRI, CID
from tests.unit.model.registry.test_escrow import (
    ARBITER,
    CLAIMED,
    CREATOR,
    LEASE,
    NOW,
    OPEN,
    OTHER,
    REVIEW,
    SUBMITTED,
    TERMS,
    WORKER,
    B,
    R,
    call,
)

from veriframe.errors import MoveRefused
from veriframe.model.registry import ledger
from veriframe.model.registry.job import NOBODY, Address, Job, JobState, Terms
from veriframe.model.registry.order import create_order

DAY = 86400
FELT_MAX = 2**251 + 17 * 2**192


def refusal(terms: Terms, cid: str = CID, jobs: int = 1, credit_fri: int = 10**9) -> str:
    """The rule that refuses an order."""
    with pytest.raises(MoveRefused) as raised:
        create_order(call(CREATOR, credit_fri=credit_fri), cid, terms, jobs, None)
    assert str(raised.value).isprintable()
    return raised.value.rule


@pytest.mark.parametrize(
    ("terms", "rule"),
    [
        (replace(TERMS, reward_fri=0), "BAD_REWARD"),
        (replace(TERMS, reward_fri=-1), "BAD_REWARD"),
        (replace(TERMS, reward_fri=BOUND_FRI + 1), "OVERFLOW"),
        (replace(TERMS, bond_fri=0), "BAD_BOND"),
        (replace(TERMS, bond_fri=-1, worker=WORKER), "BAD_BOND"),
        (replace(TERMS, bond_fri=BOUND_FRI + 1), "OVERFLOW"),
        (replace(TERMS, deadline=NOW), "BAD_DEADLINE"),
        (replace(TERMS, deadline=NOW + 365 * DAY + 1), "BAD_DEADLINE"),
        (replace(TERMS, lease_seconds=59), "BAD_LEASE"),
        (replace(TERMS, lease_seconds=30 * DAY + 1), "BAD_LEASE"),
        (replace(TERMS, review_seconds=-1), "BAD_REVIEW"),
        (replace(TERMS, review_seconds=30 * DAY + 1), "BAD_REVIEW"),
        (replace(TERMS, arbitration_seconds=59), "BAD_ARBITRATION"),
        (replace(TERMS, arbitration_seconds=30 * DAY + 1), "BAD_ARBITRATION"),
        (replace(TERMS, arbitration_seconds=0, arbiter=NOBODY), "BAD_ARBITRATION"),
        (replace(TERMS, arbiter=CREATOR), "BAD_ARBITER"),
        (replace(TERMS, arbiter=Address(FELT_MAX + 1)), "BAD_ARBITER"),
        (replace(TERMS, worker=CREATOR), "BAD_WORKER"),
        (replace(TERMS, worker=ARBITER), "BAD_WORKER"),
        (replace(TERMS, worker=Address(-1)), "BAD_WORKER"),
    ],
)
def test_terms_beyond_the_limits_are_refused(terms: Terms, rule: str) -> None:
    """fault_8: one step beyond each limit, by its own rule."""
    assert rule == refusal(terms)


@pytest.mark.parametrize(
    "terms",
    [
        replace(TERMS, reward_fri=1, bond_fri=1),
        replace(TERMS, bond_fri=BOUND_FRI),
        replace(TERMS, bond_fri=0, worker=WORKER),
        replace(TERMS, deadline=NOW + 1),
        replace(TERMS, deadline=NOW + 365 * DAY),
        replace(TERMS, lease_seconds=60, review_seconds=0, arbitration_seconds=60),
        replace(TERMS, lease_seconds=30 * DAY, review_seconds=30 * DAY, arbitration_seconds=30 * DAY),
        replace(TERMS, arbiter=NOBODY),
        replace(TERMS, arbiter=Address(FELT_MAX), worker=WORKER),
    ],
)
def test_terms_at_the_limits_are_accepted(terms: Terms) -> None:
    """The limits themselves are legal."""
    assert terms == create_order(call(CREATOR), CID, terms, 1, None).order.terms


@pytest.mark.parametrize(("jobs", "rule"), [(0, "BAD_COUNT"), (-1, "BAD_COUNT"), (1001, "BAD_COUNT")])
def test_orders_have_1_to_1000_jobs(jobs: int, rule: str) -> None:
    """No order is empty, and none is too large."""
    assert rule == refusal(TERMS, jobs=jobs)


@pytest.mark.parametrize("cid", ["", "x" * 129])
def test_asset_cids_have_1_to_128_bytes(cid: str) -> None:
    """Like all CIDs."""
    assert refusal(TERMS, cid=cid) == "BAD_CID"


def test_rewards_are_paid_in_at_once() -> None:
    """All rewards, with one posting per job; one fri less of credit is too little."""
    posted = create_order(call(CREATOR, credit_fri=1000 * R), CID, TERMS, 1000, None)
    assert [line.amount_fri for line in posted.postings] == [R] * 1000
    assert {ledger.escrow(number) for number in range(1, 1001)} == {line.target for line in posted.postings}
    assert refusal(TERMS, jobs=1000, credit_fri=1000 * R - 1) == "INSUFFICIENT_CREDIT"


def test_rewards_together_are_bounded() -> None:
    """Each fits but their sum does not: the contract's integers would overflow."""
    assert refusal(replace(TERMS, reward_fri=BOUND_FRI), jobs=2, credit_fri=3 * BOUND_FRI) == "OVERFLOW"


def test_jobs_are_numbered_continuously() -> None:
    """Orders and jobs are numbered from 1 without gaps, parts from 0 in each order."""
    first = create_order(call(CREATOR), CID, TERMS, 3, None)
    second = create_order(call(OTHER), CID, TERMS, 2, first.order)
    assert [(job.id, job.order.id, job.part) for job in first.jobs] == [(1, 1, 0), (2, 1, 1), (3, 1, 2)]
    assert [(job.id, job.order.id, job.part) for job in second.jobs] == [(4, 2, 0), (5, 2, 1)]
    assert (
        second.order.creator,
        second.order.created_at,
        second.order.first_job,
        second.order.jobs,
    ) == (OTHER, NOW, 4, 2)


def jobs(*found: Job) -> dict[int, Job]:
    """Jobs by id, from 1."""
    return {number: replace(job, id=number) for number, job in enumerate(found, 1)}


def test_plural_claims_skip_illegal_ones() -> None:
    """Unknown, repeated, claimed, barred, or not covered by the credit: the others are claimed."""
    there = jobs(OPEN, CLAIMED, OPEN, OPEN, OPEN)
    credit_fri = 2 * B + 1
    outcomes = plural.claim_jobs(
        there, [1, 1, 99, 2, 3, 4, 5], call(OTHER, credit_fri=credit_fri), barred={3}
    )
    assert [outcome.job.id for outcome in outcomes] == [1, 4]


def test_plural_results_skip_illegal_ones() -> None:
    """A bad CID and a lapsed lease do not affect the other submissions."""
    there = jobs(CLAIMED, replace(CLAIMED, lease_end=NOW), CLAIMED, OPEN)
    outcomes = plural.submit_results(there, [1, 2, 3, 4, 1], ["a", "b", "", "d", "again"], call(WORKER))
    assert [(outcome.job.id, outcome.job.result_cid) for outcome in outcomes] == [(1, "a")]


def test_plural_results_need_a_cid_for_each() -> None:
    """Lists of different lengths refuse the whole call."""
    with pytest.raises(MoveRefused) as raised:
        plural.submit_results(jobs(CLAIMED), [1], [], call(WORKER))
    assert raised.value.rule == "BAD_COUNT"


def test_plural_finalizing_skips_what_is_not_due() -> None:
    """Repeated, not due and unknown ones are skipped."""
    there = jobs(SUBMITTED, replace(SUBMITTED, review_end=NOW + REVIEW + 1), OPEN, CLAIMED)
    outcomes = plural.finalize_jobs(there, [1, 1, 2, 3, 4, 9], call(OTHER, NOW + REVIEW))
    assert [(outcome.job.id, outcome.job.state) for outcome in outcomes] == [(1, JobState.PAID)]


def test_plural_claims_take_over_lapsed_ones() -> None:
    """Like a single claim."""
    (outcome,) = plural.claim_jobs(jobs(CLAIMED), [1], call(OTHER, NOW + LEASE))
    assert (outcome.job.worker, outcome.barred) == (OTHER, (WORKER,))
