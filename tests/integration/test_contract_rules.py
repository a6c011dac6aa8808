"""The deployed contract follows the model's rules: the same states, money, events and refusals.

Scenarios for each rule, in signed transactions; `test_deployed_machine.py` plays long generated ones.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from tests.integration.contract_pair import CID, Pair
from tests.integration.contract_world import deployed
from tests.nodes import Devnet

from veriframe.model.registry.job import NOBODY, Address, JobState, Terms
from veriframe.model.registry.ledger import AMOUNT_MAX_FRI, Rule
from veriframe.model.registry.order import DEADLINE_MAX_SECONDS, SPAN_MAX_SECONDS

pytestmark = pytest.mark.slow
DAY = 86400
PEOPLE = ("creator", "worker", "other", "arbiter", "poor", "third")
CREDIT = 10**6
R, B = 1000, 95

TABLE = {
    ("OPEN", "claim", "CLAIMED"),
    ("lapsed", "claim", "CLAIMED"),
    ("CLAIMED", "release", "OPEN"),
    ("CLAIMED", "submit", "SUBMITTED"),
    ("SUBMITTED", "accept", "PAID"),
    ("SUBMITTED", "finalize", "PAID"),
    ("SUBMITTED", "dispute", "DISPUTED"),
    ("DISPUTED", "WORKER", "PAID"),
    ("DISPUTED", "NEITHER", "PAID"),
    ("DISPUTED", "CREATOR", "REFUNDED"),
    ("DISPUTED", "finalize", "PAID"),
    ("OPEN", "finalize", "REFUNDED"),
    ("lapsed", "finalize", "REFUNDED"),
    ("OPEN", "cancel", "REFUNDED"),
    ("lapsed", "cancel", "REFUNDED"),
}
"""Every move of the contract's table that changes a state, with the states before and after."""

TALES = (
    (
        "release:worker submit:worker claim:creator claim:arbiter claim:poor claim:worker claim:other"
        " submit:other submit:creator cancel:creator @lease_end-1 submit:worker submit:worker release:worker"
        " accept:worker cancel:creator dispute:worker WORKER:arbiter @review_end-1 finalize:other"
        " @review_end+0 dispute:creator finalize:other"
        " accept:creator cancel:creator claim:other finalize:other"
    ),
    (
        "claim:worker release:worker claim:worker claim:other @lease_end-1 release:other claim:other"
        " cancel:other cancel:creator cancel:creator claim:third"
    ),
    (
        "claim:worker @lease_end-5 claim:other @lease_end-1 cancel:creator @lease_end+0 submit:worker"
        " release:worker claim:worker claim:other submit:other dispute:creator WORKER:other WORKER:arbiter"
        " WORKER:arbiter"
    ),
    "claim:worker @lease_end-1 claim:other @lease_end+0 release:worker claim:other",
    "claim:worker @lease_end+0 claim:other release:other",
    "claim:worker submit:worker accept:creator",
    "claim:worker submit:worker @review_end+0 finalize:poor",
    "claim:worker submit:worker @review_end+0 dispute:creator accept:creator",
    (
        "claim:worker submit:worker @review_end-1 dispute:creator accept:creator dispute:creator"
        " @arbitration_end-5 finalize:third @arbitration_end-1 CREATOR:arbiter claim:worker finalize:third"
    ),
    "claim:worker submit:worker dispute:creator NEITHER:arbiter",
    (
        "claim:worker submit:worker dispute:creator @arbitration_end-1 finalize:third"
        " @arbitration_end+0 WORKER:arbiter finalize:third"
    ),
    "claim:worker submit:worker dispute:creator @arbitration_end+0 finalize:third",
    "claim:worker @lease_end+0 cancel:creator claim:worker",
)
LATE_TALES = (
    "claim:worker submit:worker @deadline-1 claim:other finalize:other accept:creator",
    "@deadline-1 finalize:other",
    "@deadline-1 claim:worker @lease_end-1 finalize:other @lease_end+0 claim:other finalize:other",
    "@deadline+0 claim:worker finalize:poor finalize:poor",
)
"""Jobs with a near deadline; the last jobs of their order."""


@pytest.fixture
async def pair(fresh_devnet: Devnet) -> AsyncIterator[Pair]:
    """A new contract; all but `poor` have credit."""
    async with deployed(fresh_devnet) as chain:
        pair = Pair(chain)
        for number, name in enumerate(PEOPLE):
            if name != "poor":
                await pair.deposit(number, CREDIT)
        yield pair


def terms_of(pair: Pair, **changes: Any) -> Terms:
    """Terms with an arbiter and much time."""
    terms = Terms(
        reward_fri=R,
        bond_fri=B,
        deadline=pair.chain.node.now() + 300 * DAY,
        lease_seconds=600,
        review_seconds=300,
        arbitration_seconds=900,
        arbiter=pair.people[PEOPLE.index("arbiter")],
    )
    return replace(terms, **changes)


async def test_every_row_of_the_table_holds_on_chain(pair: Pair) -> None:
    """Each move is made by those who may and by others, at its time limits, in both registries."""
    first = await pair.post(0, terms_of(pair), len(TALES))
    for number, tale in enumerate(TALES):
        await pair.tell(first + number, tale, PEOPLE)
        pair.compare()
    for tale in LATE_TALES:
        job_id = await pair.post(0, terms_of(pair, deadline=pair.chain.node.now() + 2000), 1)
        await pair.tell(job_id, tale, PEOPLE)
        pair.compare()
    await pair.move("claim", 1, 10**6)
    await pair.move("finalize", 1, 0)
    assert pair.made >= TABLE
    everyday = {rule.value for rule in Rule if not rule.value.startswith("BAD_")}
    assert everyday - pair.refused == {"OTHER_WORKER", "NO_ARBITER", "INSUFFICIENT_FUNDS", "OVERFLOW"}


async def test_orders_are_accepted_and_refused_alike(pair: Pair) -> None:
    """Every limit of an order's terms, at the limit and just beyond it."""
    creator, arbiter = pair.people[0], pair.people[3]
    worker = pair.people[1]
    bad: list[tuple[dict[str, Any], str]] = [
        ({"reward_fri": 0}, "BAD_REWARD"),
        ({"reward_fri": AMOUNT_MAX_FRI + 1}, "OVERFLOW"),
        ({"reward_fri": AMOUNT_MAX_FRI}, "INSUFFICIENT_CREDIT"),
        ({"bond_fri": 0}, "BAD_BOND"),
        ({"bond_fri": AMOUNT_MAX_FRI + 1}, "OVERFLOW"),
        ({"lease_seconds": 59}, "BAD_LEASE"),
        ({"lease_seconds": SPAN_MAX_SECONDS + 1}, "BAD_LEASE"),
        ({"review_seconds": SPAN_MAX_SECONDS + 1}, "BAD_REVIEW"),
        ({"arbitration_seconds": 59, "arbiter": NOBODY}, "BAD_ARBITRATION"),
        ({"arbitration_seconds": SPAN_MAX_SECONDS + 1}, "BAD_ARBITRATION"),
        ({"arbiter": creator}, "BAD_ARBITER"),
        ({"worker": creator}, "BAD_WORKER"),
        ({"worker": arbiter}, "BAD_WORKER"),
    ]
    for changes, rule in bad:
        await pair.post(0, terms_of(pair, **changes), 1)
        assert rule in pair.refused
    for shift in (0, DEADLINE_MAX_SECONDS + 1, 2**40):
        start = pair.chain.node.now() + 10
        pair.wait_until(start)
        await pair.post(0, terms_of(pair, deadline=start + shift), 1)
    for jobs, cid in (
        (0, CID),
        (1001, CID),
        (1, ""),
        (1, "x" * 129),
        (2, "y" * 128),
        (1, "z" * 124),
        (1, "w"),
    ):
        await pair.post(0, terms_of(pair), jobs, cid)
    await pair.post(2, terms_of(pair, reward_fri=CREDIT // 1000 - 1), 1000)
    pair.compare()
    first = len(pair.shared.jobs) + 1
    start = pair.chain.node.now() + 10
    pair.wait_until(start)
    long = {"lease_seconds": SPAN_MAX_SECONDS, "review_seconds": 0, "arbitration_seconds": SPAN_MAX_SECONDS}
    await pair.post(
        0, terms_of(pair, deadline=start + DEADLINE_MAX_SECONDS, worker=worker, bond_fri=0, **long), 1
    )
    await pair.post(0, terms_of(pair, arbiter=NOBODY, bond_fri=1, lease_seconds=60), 1)
    assert {"BAD_CID", "BAD_COUNT", "BAD_DEADLINE"} <= pair.refused
    answers = await pair.tell(first, "claim:other claim:worker", PEOPLE)
    answers += await pair.tell(first + 1, "claim:other submit:other dispute:creator", PEOPLE)
    assert answers == ["OTHER_WORKER", "", "", "", "NO_ARBITER"]


async def test_deposits_and_withdrawals_are_alike(pair: Pair) -> None:
    """Of nothing, everything and too much, to others and to the zero address."""
    cold = Address(0xC01D)
    for amount in (
        0,
        1,
        pair.chain.balance(pair.people[1]) + 1,
        AMOUNT_MAX_FRI - 5 * CREDIT,
        AMOUNT_MAX_FRI + 1,
    ):
        await pair.deposit(1, amount)
    for amount, recipient in (
        (0, cold),
        (AMOUNT_MAX_FRI + 1, cold),
        (1, NOBODY),
        (CREDIT + 2, cold),
        (7, cold),
    ):
        await pair.withdraw(1, amount, recipient)
    await pair.withdraw(1, pair.shared.credits[pair.people[1]], pair.people[1])
    await pair.withdraw(4, 1, cold)
    pair.compare()
    assert {
        "BAD_AMOUNT", "BAD_RECIPIENT", "OVERFLOW", "INSUFFICIENT_FUNDS", "INSUFFICIENT_CREDIT"
    } == pair.refused  # fmt: skip


async def test_plural_calls_skip_alike(pair: Pair) -> None:
    """Unknown, repeated, foreign and untimely ids are skipped; the credit decreases as jobs are claimed."""
    first = await pair.post(0, terms_of(pair, bond_fri=CREDIT // 5), 8)
    named = await pair.post(0, terms_of(pair, worker=pair.people[2]), 1)
    own = await pair.post(1, terms_of(pair), 1)
    ids = [0, first, first, own, named, 10**6, *range(first + 1, first + 8)]
    await pair.claim_jobs(1, ids)
    assert sum(job.worker == pair.people[1] for job in pair.shared.jobs.values()) == 4
    pair.compare()
    await pair.submit_results(1, [first], [])
    assert {"BAD_COUNT"} == pair.refused
    await pair.submit_results(1, [first, first, first + 1, first + 2, own], [CID, CID, "", "x" * 128, CID])
    await pair.claim_jobs(2, [named, first + 5, first + 6])
    pair.compare()
    pair.wait_until(pair.shared.jobs[first].review_end)
    await pair.finalize_jobs(4, [first, first + 1, first + 2, 10**6, own, first])
    pair.wait_until(max(job.terms.deadline for job in pair.shared.jobs.values()))
    await pair.finalize_jobs(4, [*ids, *reversed(ids)])
    pair.compare()
    assert {JobState.PAID, JobState.REFUNDED} == {job.state for job in pair.shared.jobs.values()}
