"""Terms out of proportion are found by the limits of a worker with default settings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from veriframe.model.attempt.policy import Policy
from veriframe.model.attempt.proportion import Imbalance, terms_warnings
from veriframe.model.attempt.stakes import Stakes
from veriframe.model.quantities import FRI_PER_STRK
from veriframe.model.registry.job import NOBODY, Address, Job, Order, Terms
from veriframe.model.registry.offer import Offer

NOW, HOUR, DAY = 1_700_000_000, 3600, 86400
ARBITER = Address(0xA)
FAIR = Offer(reward_fri=FRI_PER_STRK).terms(NOW)


def codes(terms: Terms, fees_fri: int = 0) -> list[Imbalance]:
    """The codes of the warnings."""
    return [warning.code for warning in terms_warnings(terms, NOW, fees_fri)]


def test_default_terms_are_in_proportion() -> None:
    """Even for the smallest reward. Of an arbiter it is said that workers must trust it."""
    assert codes(Offer(reward_fri=1).terms(NOW)) == []
    arbitrated = Offer(reward_fri=FRI_PER_STRK, arbiter=ARBITER)
    assert codes(arbitrated.terms(NOW)) == [Imbalance.ARBITER_NOT_TRUSTED]


@pytest.mark.parametrize(
    ("review_seconds", "arbiter", "is_short"),
    [
        (0, NOBODY, True),
        (60, NOBODY, False),
        (0, ARBITER, True),
        (3599, ARBITER, True),
        (3600, ARBITER, False),
    ],
)
def test_a_review_must_leave_time_to_look(review_seconds: int, arbiter: Address, is_short: bool) -> None:
    """fault_188: and with an arbiter, to dispute the result, too."""
    found = codes(replace(FAIR, review_seconds=review_seconds, arbiter=arbiter))
    assert (Imbalance.REVIEW_SHORT in found) is is_short


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"reward_fri": 10**12, "bond_fri": 5000 * FRI_PER_STRK}, [Imbalance.BOND_ABOVE_REWARD]),
        ({"bond_fri": FRI_PER_STRK, "review_seconds": 2 * DAY}, [Imbalance.BOND_BOUND_LONG]),
        ({"bond_fri": 0}, [Imbalance.BOND_SMALL]),
        ({"lease_seconds": 120}, [Imbalance.LEASE_SHORT]),
        ({"deadline": NOW + 120}, [Imbalance.DEADLINE_NEAR]),
        ({"bond_fri": FRI_PER_STRK // 20, "review_seconds": 8 * DAY}, [Imbalance.PAY_LATE]),
        (
            {"lease_seconds": 60, "deadline": NOW + 60, "bond_fri": 0},
            [Imbalance.BOND_SMALL, Imbalance.LEASE_SHORT, Imbalance.DEADLINE_NEAR],
        ),
    ],
)
def test_each_imbalance_has_its_code(change: dict[str, int], expected: list[Imbalance]) -> None:
    """fault_123: a bond of 5000 STRK for a reward of a millionth was taken without a word."""
    assert codes(replace(FAIR, **change)) == expected  # type: ignore[arg-type]


def test_a_reward_must_cover_the_fees_of_a_worker() -> None:
    """fault_89: as the worker itself judges, which leaves a job that pays exactly its fees."""
    assert codes(FAIR, FRI_PER_STRK) == [Imbalance.REWARD_BELOW_FEES]
    assert codes(FAIR, FRI_PER_STRK - 1) == []


@pytest.mark.parametrize("lease_seconds", [60, 383, 384, HOUR])
@pytest.mark.parametrize("bond_fri", [0, 1, FRI_PER_STRK, FRI_PER_STRK + 1])
@pytest.mark.parametrize("review_seconds", [0, DAY, 7 * DAY, 8 * DAY])
def test_a_worker_with_default_settings_agrees(
    lease_seconds: int, bond_fri: int, review_seconds: int
) -> None:
    """What is not warned of is taken by the policy and within the stakes, and the other way round."""
    terms = replace(FAIR, lease_seconds=lease_seconds, bond_fri=bond_fri, review_seconds=review_seconds)
    order = Order(id=1, creator=Address(0xC), asset_cid="", terms=terms, first_job=1, jobs=1, created_at=NOW)
    job = Job(id=1, order=order, part=0)
    rich = Stakes(free_fri=10**6 * FRI_PER_STRK)
    objection = Policy(account=Address(0xB)).objection(job, NOW) or rich.lasting_objection(job)
    assert bool(objection) is bool(set(codes(terms)) - {Imbalance.BOND_SMALL, Imbalance.REVIEW_SHORT})


def test_nobody_is_no_arbiter() -> None:
    """Without one, the arbitration delays nothing."""
    assert codes(replace(FAIR, arbiter=NOBODY, arbitration_seconds=30 * DAY)) == []
