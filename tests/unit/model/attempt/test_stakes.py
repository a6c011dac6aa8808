"""What a worker may lose: every limit on its bonds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from veriframe.model.attempt.stakes import CreatorRecord, StakeLimits, Stakes, bound_seconds
from veriframe.model.registry.job import NOBODY, Address, Job, Order, Terms
from veriframe.model.registry.offer import Offer

NOW, DAY = 1_700_000_000, 86_400
CREATOR, OUTSIDER, ARBITER = Address(3), Address(5), Address(4)
MEANS = 1_000_000
TERMS = Terms(
    reward_fri=100_000,
    bond_fri=10_000,
    deadline=NOW + DAY,
    lease_seconds=3600,
    review_seconds=600,
    arbitration_seconds=3 * DAY,
)


def a_job(creator: Address = CREATOR, **terms: Any) -> Job:
    """A job of `CREATOR` with some other terms."""
    order = Order(
        id=1,
        creator=creator,
        asset_cid="bafy",
        terms=replace(TERMS, **terms),
        first_job=1,
        jobs=1,
        created_at=NOW,
    )
    return Job(id=1, order=order, part=0)


def stakes(
    free_fri: int = MEANS, records: Mapping[Address, CreatorRecord] | None = None, **more: Any
) -> Stakes:
    """The stakes of an account with `MEANS`, of which nothing is bound."""
    more.setdefault("limits", StakeLimits(loss_share=Fraction(1, 20), job_share=Fraction(1)))
    return Stakes(free_fri=free_fri, creators=records or {}, **more)


@pytest.mark.parametrize("arbiter", [NOBODY, ARBITER])
@pytest.mark.parametrize("reward_fri", [5, 7, 10**18, 50 * 10**18])
def test_a_creators_default_offer_is_taken(reward_fri: int, arbiter: Address) -> None:
    """fault_81: the defaults of both sides agree, with and without an arbiter."""
    offered = Offer(reward_fri=reward_fri, arbiter=arbiter).terms(NOW)
    job = replace(a_job(), order=replace(a_job().order, terms=offered))
    rich = stakes(free_fri=100 * reward_fri)
    assert rich.lasting_objection(job) == ""
    assert rich.passing_objection(job) == ""


def test_a_bond_above_its_reward_is_refused() -> None:
    """fault_81: for instance a reward of 1 fri and a bond of all that the worker has."""
    assert stakes().lasting_objection(a_job(bond_fri=100_000, review_seconds=0)) == ""
    objection = stakes().lasting_objection(a_job(bond_fri=100_001, review_seconds=0))
    assert "more than 100 % of its reward (bond_reward_share)" in objection
    half = StakeLimits(reward_share=Fraction(1, 2))
    assert "more than 50 %" in stakes(limits=half).lasting_objection(a_job(bond_fri=50_001))


def test_a_bond_that_stays_bound_too_long_for_its_reward_is_refused() -> None:
    """fault_81: by bond × days; the arbitration counts if there is an arbiter."""
    a_day = DAY - 3600
    assert stakes().lasting_objection(a_job(bond_fri=100_000, review_seconds=a_day)) == ""
    objection = stakes().lasting_objection(a_job(bond_fri=100_000, review_seconds=a_day + 1))
    assert objection.endswith("too long for its reward (bond_days)")
    assert bound_seconds(replace(TERMS, review_seconds=a_day)) == DAY
    assert bound_seconds(replace(TERMS, review_seconds=a_day, arbiter=ARBITER)) == 4 * DAY
    assert stakes().lasting_objection(a_job(bond_fri=24_000, review_seconds=a_day, arbiter=ARBITER)) == ""
    assert stakes().lasting_objection(a_job(bond_fri=26_000, review_seconds=a_day, arbiter=ARBITER)) != ""


def test_a_bond_beyond_its_share_of_the_means_is_refused() -> None:
    """fault_81: of bound and free means together, so that the limit does not change with each claim."""
    job = a_job(reward_fri=MEANS, bond_fri=MEANS // 4)
    for free_fri in (MEANS, 1):
        account = stakes(free_fri=free_fri, bound_fri=MEANS - free_fri)
        assert account.lasting_objection(job) == ""
        dearer = replace(job, order=replace(job.order, terms=replace(job.terms, bond_fri=MEANS // 4 + 1)))
        assert "25 % of what this account has (bond_means_share)" in account.lasting_objection(dearer)


def test_a_reward_that_does_not_exceed_the_fees_is_refused() -> None:
    """fault_89: it must be above the expected cost of the job's moves."""
    assert stakes(job_fees_fri=99_999).lasting_objection(a_job()) == ""
    objection = stakes(job_fees_fri=100_000).lasting_objection(a_job())
    assert "the fees of its moves come to about" in objection


def test_some_means_are_never_bound() -> None:
    """fault_81: a quarter stays free, even for good jobs."""
    paid = {CREATOR: CreatorRecord(paid_fri=10 * MEANS)}
    bound_fri = MEANS * 3 // 4 - 10_000
    last = stakes(free_fri=MEANS - bound_fri, bound_fri=bound_fri, records=paid)
    assert last.passing_objection(a_job()) == ""
    more = stakes(free_fri=MEANS - bound_fri - 1, bound_fri=bound_fri + 1, records=paid)
    assert "may still be bound (free_means_share)" in more.passing_objection(a_job())


def test_no_more_is_bound_than_is_free() -> None:
    """Even if the shares allow more."""
    account = stakes(free_fri=5, bound_fri=0, limits=StakeLimits(free_share=Fraction(0)))
    assert account.bindable_fri == 5


def test_the_loss_budget_limits_what_all_new_creators_can_cost_in_a_day() -> None:
    """fault_81: losses of the last 24 hours and present stakes count together, for all creators."""
    others = {
        Address(100): CreatorRecord(lost_fri=15_000, lost_today_fri=15_000),
        Address(101): CreatorRecord(staked_fri=25_000, under_way=1),
    }
    account = stakes(records=others)
    assert (account.loss_budget_fri, account.charged_fri) == (50_000, 40_000)
    assert account.passing_objection(a_job(bond_fri=10_000)) == ""
    objection = account.passing_objection(a_job(bond_fri=10_001))
    assert "at most now, of a loss budget of" in objection
    assert objection.endswith("(loss_budget_share)")


def test_one_job_of_a_new_creator_risks_at_most_a_quarter_of_the_remaining_budget() -> None:
    """fault_81: each loss makes the next smaller, so small honest jobs fit however many others fail."""
    limits = StakeLimits(loss_share=Fraction(1, 20))
    lost_fri, sizes = 0, list[int]()
    for _ in range(100):
        lost = {Address(9): CreatorRecord(lost_fri=lost_fri, lost_today_fri=lost_fri)}
        account = stakes(records=lost, limits=limits)
        sizes.append(account.largest_risk_fri)
        assert account.passing_objection(a_job(bond_fri=account.largest_risk_fri)) == ""
        assert account.passing_objection(a_job(bond_fri=account.largest_risk_fri + 1)) != ""
        lost_fri += account.largest_risk_fri // 10  # the least cost of a release
    assert sizes[0] == 12_500
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] > 500
    assert lost_fri < 50_000


def test_a_creator_who_never_paid_has_one_job_at_a_time() -> None:
    """fault_81: the next one follows the submission; other creators do not wait."""
    account = stakes(records={CREATOR: CreatorRecord(staked_fri=1, under_way=1)})
    assert "another job of its creator" in account.passing_objection(a_job())
    assert account.passing_objection(a_job(creator=OUTSIDER)) == ""


def test_creators_are_trusted_as_far_as_they_have_paid() -> None:
    """fault_81: stakes up to what a creator has earned us, less its losses, are not charged; the rest is."""
    record = CreatorRecord(paid_fri=30_000, lost_fri=5_000, staked_fri=15_000, under_way=7)
    account = stakes(records={CREATOR: record, Address(9): CreatorRecord(staked_fri=50_000)})
    assert account.charged_fri == account.loss_budget_fri
    assert account.is_backed(a_job(bond_fri=10_000))
    assert account.passing_objection(a_job(bond_fri=10_000)) == ""
    assert not account.is_backed(a_job(bond_fri=10_001))
    assert account.passing_objection(a_job(bond_fri=10_001)) != ""


def test_a_paid_fri_buys_no_trust() -> None:
    """fault_81: a creator who pays a little first and then causes a large loss is charged the difference."""
    record = CreatorRecord(paid_fri=1, lost_fri=20_001, lost_today_fri=20_001)
    assert record.charged_fri == 20_000
    assert stakes(records={CREATOR: record}).charged_fri == 20_000


def test_losses_that_were_paid_for_are_not_charged() -> None:
    """A job of a good customer may fail."""
    assert CreatorRecord(paid_fri=50, lost_fri=20, lost_today_fri=20).charged_fri == 0


def test_old_losses_are_no_longer_charged() -> None:
    """The budget covers 24 hours; the balance keeps all losses."""
    record = CreatorRecord(lost_fri=20_000, lost_today_fri=0)
    assert (record.charged_fri, record.balance_fri) == (0, -20_000)


def test_a_job_without_a_bond_risks_nothing_but_its_fees() -> None:
    """fault_89: it exists only for a named worker or at a registry without bonds; its moves have fees."""
    broke = stakes(free_fri=0)
    assert broke.lasting_objection(a_job(bond_fri=0)) == ""
    assert broke.passing_objection(a_job(bond_fri=0)) == ""
    spent = {Address(9): CreatorRecord(lost_fri=50_000, lost_today_fri=50_000)}
    assert stakes(records=spent, job_fees_fri=0).passing_objection(a_job(bond_fri=0)) == ""
    assert "it may cost" in stakes(records=spent, job_fees_fri=1).passing_objection(a_job(bond_fri=0))


def test_amounts_in_an_objection_are_rounded() -> None:
    """18 decimals of a figure that changes with every block tell nobody anything."""
    account = stakes(free_fri=7 * 10**18 + 1, limits=StakeLimits(loss_share=Fraction(1, 3)))
    objection = account.passing_objection(a_job(bond_fri=2 * 10**18))
    assert "2.333333 STRK a day" in objection
