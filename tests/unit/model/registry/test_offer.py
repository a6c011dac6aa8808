"""Offers: the defaults, which registry and workers accept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriframe.model.attempt.policy import Policy
from veriframe.model.registry.job import NOBODY, Address, Job, Order, Terms
from veriframe.model.registry.ledger import AMOUNT_MAX_FRI, Call
from veriframe.model.registry.offer import (
    ARBITRATED_REVIEW_SECONDS,
    ARBITRATION_SECONDS,
    DEADLINE_SECONDS,
    LEASE_SECONDS,
    REVIEW_SECONDS,
    Offer,
)
from veriframe.model.registry.order import require_terms

NOW = 1_700_000_000
CREATOR, WORKER, ARBITER = Address(1), Address(2), Address(3)
TERMS = Offer(reward_fri=1000).terms(NOW)


def test_the_defaults() -> None:
    """A day to claim, an hour to submit, ten minutes to review, a bond of a tenth; no named accounts."""
    expected = Terms(
        reward_fri=1000,
        bond_fri=100,
        deadline=NOW + DEADLINE_SECONDS,
        lease_seconds=LEASE_SECONDS,
        review_seconds=REVIEW_SECONDS,
        arbitration_seconds=ARBITRATION_SECONDS,
        arbiter=NOBODY,
        worker=NOBODY,
    )
    assert expected == TERMS


def test_with_an_arbiter_the_review_lasts_a_day() -> None:
    """A dispute is only possible within the review, and a person needs time for it."""
    assert Offer(reward_fri=1, arbiter=ARBITER).terms(NOW).review_seconds == ARBITRATED_REVIEW_SECONDS


def test_zero_is_a_value() -> None:
    """0 does not mean the default."""
    terms = Offer(reward_fri=1000, bond_fri=0, review_seconds=0, worker=WORKER, arbiter=ARBITER).terms(NOW)
    assert (terms.bond_fri, terms.review_seconds) == (0, 0)


@given(st.integers(1, AMOUNT_MAX_FRI), st.sampled_from([NOBODY, ARBITER]))
def test_the_defaults_are_accepted_for_any_reward(reward_fri: int, arbiter: Address) -> None:
    """The smallest reward still has a bond, and no default exceeds a limit of the registry."""
    terms = Offer(reward_fri=reward_fri, arbiter=arbiter).terms(NOW)
    require_terms(Call(caller=CREATOR, now=NOW, block=1), terms)
    assert 0 < terms.bond_fri <= terms.reward_fri


@pytest.mark.parametrize("arbiter", [NOBODY, ARBITER])
def test_a_worker_with_default_settings_takes_a_default_offer(arbiter: Address) -> None:
    """The lease is long enough and the pay soon enough; the worker must trust the arbiter."""
    order = Order(
        id=1,
        creator=CREATOR,
        asset_cid="a scene",
        terms=Offer(reward_fri=1000, arbiter=arbiter).terms(NOW),
        first_job=1,
        jobs=1,
        created_at=NOW,
    )
    policy = Policy(account=WORKER, arbiters=frozenset({ARBITER}))
    assert not policy.objection(Job(id=1, order=order, part=0), NOW)
