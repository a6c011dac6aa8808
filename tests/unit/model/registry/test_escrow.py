"""The contract's table of moves, line by line: who, when (to the second), and where the money goes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.model.registry.escrow_invariants import BOUND_FRI, CID, MOVES, make

from veriframe.errors import Code, MoveRefused
from veriframe.model.registry import escrow, ledger
from veriframe.model.registry.job import NOBODY, Address, Job, JobState, Order, Terms, Verdict
from veriframe.model.registry.ledger import Call, PotKind
from veriframe.model.registry.outcome import Outcome

CREATOR, WORKER, OTHER, ARBITER = (Address(number) for number in (0xC, 0xA, 0xB, 0xF))
R, B, DEADLINE, LEASE, REVIEW, ARBITRATION = 1000, 95, 10_000, 600, 300, 900
NOW = 1_700_000_000
TERMS = Terms(
    reward_fri=R,
    bond_fri=B,
    deadline=NOW + DEADLINE,
    lease_seconds=LEASE,
    review_seconds=REVIEW,
    arbitration_seconds=ARBITRATION,
    arbiter=ARBITER,
)
ORDER = Order(id=1, creator=CREATOR, asset_cid=CID, terms=TERMS, first_job=1, jobs=1, created_at=NOW)
OPEN = Job(id=1, order=ORDER, part=0)
CLAIMED = replace(OPEN, state=JobState.CLAIMED, worker=WORKER, claimed_at=NOW, lease_end=NOW + LEASE)
SUBMITTED = replace(
    CLAIMED, state=JobState.SUBMITTED, result_cid=CID, review_end=NOW + REVIEW, submitted_block=5
)
DISPUTED = replace(SUBMITTED, state=JobState.DISPUTED, arbitration_end=NOW + ARBITRATION, disputed_block=6)
PAID, REFUNDED = replace(SUBMITTED, state=JobState.PAID), replace(OPEN, state=JobState.REFUNDED)
JOBS = {job.state: job for job in (OPEN, CLAIMED, SUBMITTED, DISPUTED, PAID, REFUNDED)}


def call(caller: Address, now: int = NOW, credit_fri: int = 10**6) -> Call:
    """A move in block 7."""
    return Call(caller=caller, now=now, block=7, credit_fri=credit_fri)


def rule_of(move: str, job: Job, by: Call, *, barred: bool = False) -> str:
    """The rule that refuses a move. Its sentence must be printable."""
    with pytest.raises(MoveRefused) as raised:
        make(move, job, by, barred=barred)
    assert str(raised.value).isprintable()
    assert str(raised.value).endswith(".")
    return raised.value.rule


def gains(outcome: Outcome) -> dict[object, int]:
    """The change of each account's credit; escrow and burned money by their names."""
    found: Counter[object] = Counter()
    for line in outcome.postings:
        for pot, sign in ((line.source, -1), (line.target, 1)):
            name = Address(pot.owner) if pot.kind is PotKind.CREDIT else pot.kind.value
            found[name] += sign * line.amount_fri
    return {name: amount for name, amount in found.items() if amount}


LEGAL: list[tuple[str, Job, Call, JobState, dict[object, int]]] = [
    ("claim", OPEN, call(WORKER, NOW + DEADLINE - 1), JobState.CLAIMED, {WORKER: -B, "escrow": B}),
    ("claim", CLAIMED, call(OTHER, NOW + LEASE), JobState.CLAIMED, {OTHER: -B, "burned": B}),
    ("release", CLAIMED, call(WORKER), JobState.OPEN, {WORKER: B - 10, "escrow": -B, "burned": 10}),
    ("release", CLAIMED, call(WORKER, NOW + 1), JobState.OPEN,
     {WORKER: B - 10, "escrow": -B, "burned": 10}),
    ("release", CLAIMED, call(WORKER, NOW + 300), JobState.OPEN,
     {WORKER: B - 48, "escrow": -B, "burned": 48}),
    ("release", CLAIMED, call(WORKER, NOW + LEASE - 1), JobState.OPEN, {"escrow": -B, "burned": B}),
    ("submit", CLAIMED, call(WORKER, NOW + LEASE - 1), JobState.SUBMITTED, {}),
    ("accept", SUBMITTED, call(CREATOR), JobState.PAID, {WORKER: R + B, "escrow": -R - B}),
    ("accept", SUBMITTED, call(CREATOR, NOW + 10**7), JobState.PAID, {WORKER: R + B, "escrow": -R - B}),
    ("finalize", SUBMITTED, call(OTHER, NOW + REVIEW), JobState.PAID, {WORKER: R + B, "escrow": -R - B}),
    ("dispute", SUBMITTED, call(CREATOR, NOW + REVIEW - 1), JobState.DISPUTED, {CREATOR: -B, "escrow": B}),
    ("resolve WORKER", DISPUTED, call(ARBITER, NOW + ARBITRATION - 1), JobState.PAID,
     {WORKER: R + 2 * B, "escrow": -R - 2 * B}),
    ("resolve NEITHER", DISPUTED, call(ARBITER), JobState.PAID,
     {WORKER: R + B, CREATOR: B, "escrow": -R - 2 * B}),
    ("resolve CREATOR", DISPUTED, call(ARBITER), JobState.REFUNDED,
     {CREATOR: R + B, "burned": B, "escrow": -R - 2 * B}),
    ("finalize", DISPUTED, call(OTHER, NOW + ARBITRATION), JobState.PAID,
     {WORKER: R + B, "burned": B, "escrow": -R - 2 * B}),
    ("finalize", OPEN, call(OTHER, NOW + DEADLINE), JobState.REFUNDED, {CREATOR: R, "escrow": -R}),
    ("finalize", CLAIMED, call(WORKER, NOW + DEADLINE), JobState.REFUNDED,
     {CREATOR: R, "burned": B, "escrow": -R - B}),
    ("cancel", OPEN, call(CREATOR), JobState.REFUNDED, {CREATOR: R, "escrow": -R}),
    ("cancel", OPEN, call(CREATOR, NOW + 10**7), JobState.REFUNDED, {CREATOR: R, "escrow": -R}),
    ("cancel", CLAIMED, call(CREATOR, NOW + LEASE), JobState.REFUNDED,
     {CREATOR: R, "burned": B, "escrow": -R - B}),
]  # fmt: skip
"""Move, job before it, call (in the last or the first legal second), state and changes of money after."""


@pytest.mark.parametrize(("move", "job", "by", "state", "money"), LEGAL)
def test_legal_moves_have_the_effects_of_the_table(
    move: str, job: Job, by: Call, state: JobState, money: dict[object, int]
) -> None:
    """State and money agree with the contract's table, in the first and the last legal second."""
    outcome = make(move, job, by, barred=False)
    assert (state, money) == (outcome.job.state, gains(outcome))
    # Only a submission writes a result; the order never changes.
    assert (job.order, job.id) == (outcome.job.order, outcome.job.id)
    assert ledger.held_fri(outcome.job) - ledger.held_fri(job) == money.get("escrow", 0)


ILLEGAL: list[tuple[str, Job, Call, str]] = [
    ("claim", CLAIMED, call(OTHER, NOW + LEASE - 1), "NOT_OPEN"),
    ("claim", OPEN, call(WORKER, NOW + DEADLINE), "DEADLINE_OVER"),
    ("claim", replace(CLAIMED, lease_end=NOW + DEADLINE), call(OTHER, NOW + DEADLINE), "DEADLINE_OVER"),
    ("claim", CLAIMED, call(WORKER), "NOT_OPEN"),
    ("claim", CLAIMED, call(WORKER, NOW + LEASE), "BARRED"),
    ("claim", OPEN, call(CREATOR), "OWN_JOB"),
    ("claim", OPEN, call(ARBITER), "OWN_JOB"),
    ("claim", OPEN, call(WORKER, credit_fri=B - 1), "INSUFFICIENT_CREDIT"),
    ("claim", OPEN, call(WORKER, ledger.TIME_MAX - 1), "DEADLINE_OVER"),
    ("release", CLAIMED, call(OTHER), "NOT_CLAIMANT"),
    ("release", CLAIMED, call(WORKER, NOW + LEASE), "LEASE_OVER"),
    ("release", SUBMITTED, call(WORKER), "NOT_CLAIMED"),
    ("submit", CLAIMED, call(OTHER), "NOT_CLAIMANT"),
    ("submit", CLAIMED, call(CREATOR), "NOT_CLAIMANT"),
    ("submit", CLAIMED, call(WORKER, NOW + LEASE), "LEASE_OVER"),
    ("submit", SUBMITTED, call(WORKER), "NOT_CLAIMED"),
    ("submit", OPEN, call(WORKER), "NOT_CLAIMANT"),
    ("accept", SUBMITTED, call(WORKER), "NOT_CREATOR"),
    ("accept", CLAIMED, call(CREATOR), "NOT_SUBMITTED"),
    ("accept", DISPUTED, call(CREATOR), "NOT_SUBMITTED"),
    ("dispute", SUBMITTED, call(CREATOR, NOW + REVIEW), "REVIEW_OVER"),
    ("dispute", SUBMITTED, call(ARBITER), "NOT_CREATOR"),
    ("dispute", DISPUTED, call(CREATOR), "NOT_SUBMITTED"),
    ("dispute", SUBMITTED, call(CREATOR, credit_fri=B - 1), "INSUFFICIENT_CREDIT"),
    ("resolve WORKER", DISPUTED, call(CREATOR), "NOT_ARBITER"),
    ("resolve WORKER", DISPUTED, call(ARBITER, NOW + ARBITRATION), "ARBITRATION_OVER"),
    ("resolve CREATOR", SUBMITTED, call(ARBITER), "NOT_DISPUTED"),
    ("finalize", OPEN, call(OTHER, NOW + DEADLINE - 1), "NOT_DUE"),
    ("finalize", CLAIMED, call(OTHER, NOW + LEASE), "NOT_DUE"),
    ("finalize", replace(CLAIMED, lease_end=NOW + DEADLINE + 9), call(OTHER, NOW + DEADLINE + 8), "NOT_DUE"),
    ("finalize", SUBMITTED, call(OTHER, NOW + REVIEW - 1), "NOT_DUE"),
    ("finalize", DISPUTED, call(OTHER, NOW + ARBITRATION - 1), "NOT_DUE"),
    ("cancel", OPEN, call(WORKER), "NOT_CREATOR"),
    ("cancel", CLAIMED, call(CREATOR, NOW + LEASE - 1), "LIVE_CLAIM"),
    ("cancel", SUBMITTED, call(CREATOR), "NOT_OPEN"),
    ("cancel", DISPUTED, call(CREATOR), "NOT_OPEN"),
]


@pytest.mark.parametrize(("move", "job", "by", "rule"), ILLEGAL)
def test_illegal_moves_are_refused_by_their_rule(move: str, job: Job, by: Call, rule: str) -> None:
    """In the last second before and the first after a limit, by wrong accounts and in wrong states."""
    assert rule == rule_of(move, job, by)


RIGHT = {"claim": OTHER, "release": WORKER, "submit": WORKER, "finalize": OTHER} | {
    f"resolve {verdict}": ARBITER for verdict in Verdict
}
"""The account that may make a move; by default the creator."""
FITTING = {
    "claim": {JobState.OPEN},
    "release": {JobState.CLAIMED},
    "submit": {JobState.CLAIMED},
    "accept": {JobState.SUBMITTED},
    "dispute": {JobState.SUBMITTED},
    "finalize": set(),
    "cancel": {JobState.OPEN},
} | {f"resolve {verdict}": {JobState.DISPUTED} for verdict in Verdict}


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("state", JobState)
def test_every_move_is_refused_in_every_other_state(move: str, state: JobState) -> None:
    """All pairs of moves and states, by the right account while all time limits are running."""
    by = call(RIGHT.get(move, CREATOR))
    if state in FITTING[move]:
        assert make(move, JOBS[state], by, barred=False).job != JOBS[state]
    else:
        rule_of(move, JOBS[state], by)


def test_a_claim_sets_worker_and_times() -> None:
    """Everything of a lapsed claim is replaced, and its claimant is barred."""
    outcome = make("claim", CLAIMED, call(OTHER, NOW + LEASE + 5), barred=False)
    job = outcome.job
    assert (job.worker, job.claimed_at, job.lease_end) == (OTHER, NOW + LEASE + 5, NOW + 2 * LEASE + 5)
    assert outcome.barred == (WORKER,)
    assert [event.kind.value for event in outcome.events] == ["ClaimLapsed", "JobClaimed"]


def test_an_earlier_claimant_is_barred() -> None:
    """`barred` is checked before the money."""
    assert rule_of("claim", OPEN, call(WORKER, credit_fri=0), barred=True) == "BARRED"


def test_a_named_worker_is_the_only_one() -> None:
    """No one else can claim; and the bond may be 0, which makes no posting."""
    order = replace(ORDER, terms=replace(TERMS, worker=WORKER, bond_fri=0))
    job = replace(OPEN, order=order)
    assert rule_of("claim", job, call(OTHER)) == "OTHER_WORKER"
    claimed = make("claim", job, call(WORKER, credit_fri=0), barred=False)
    assert (claimed.postings, claimed.job.worker) == ((), WORKER)
    released = make("release", claimed.job, call(WORKER, NOW + 60), barred=False)
    assert released.postings == ()


def test_a_release_opens_the_job_and_bars_the_worker() -> None:
    """Nothing of the claim is left; the event has the code of the reason."""
    outcome = escrow.release(CLAIMED, call(WORKER, NOW + 9), Code.OOM)
    assert (outcome.job, outcome.barred, outcome.events[0].note) == (OPEN, (WORKER,), "OOM")


def test_a_submission_sets_result_review_and_block() -> None:
    """The review starts with the submission's block."""
    job = escrow.submit_result(CLAIMED, call(WORKER, NOW + 9), CID).job
    assert (job.result_cid, job.review_end, job.submitted_block) == (CID, NOW + 9 + REVIEW, 7)


def test_a_dispute_sets_its_end_and_block() -> None:
    """The arbitration starts with the dispute's block; the worker stays recorded."""
    job = escrow.dispute_result(SUBMITTED, call(CREATOR, NOW + 9), CID).job
    assert (job.arbitration_end, job.disputed_block) == (NOW + 9 + ARBITRATION, 7)
    refunded = escrow.resolve_dispute(job, call(ARBITER, NOW + 10), Verdict.CREATOR, CID).job
    assert (refunded.worker, refunded.result_cid) == (WORKER, CID)


def test_a_lapsed_claim_leaves_no_worker() -> None:
    """Neither after a cancellation nor after a refund at the deadline."""
    for move, by in (("cancel", call(CREATOR, NOW + LEASE)), ("finalize", call(OTHER, NOW + DEADLINE))):
        outcome = make(move, CLAIMED, by, barred=False)
        assert (outcome.job.worker, outcome.barred) == (NOBODY, (WORKER,))


def test_without_an_arbiter_there_is_no_dispute() -> None:
    """No one could decide it."""
    job = replace(SUBMITTED, order=replace(ORDER, terms=replace(TERMS, arbiter=NOBODY)))
    assert rule_of("dispute", job, call(CREATOR)) == "NO_ARBITER"


@pytest.mark.parametrize("cid", ["", "x" * 129, "é" * 65, "\ud800"])
def test_cids_have_1_to_128_bytes(cid: str) -> None:
    """For results and evidence, counted in bytes; invalid Unicode counts as 0."""
    attempts: list[Any] = [
        lambda: escrow.submit_result(CLAIMED, call(WORKER), cid),
        lambda: escrow.dispute_result(SUBMITTED, call(CREATOR), cid),
        lambda: escrow.resolve_dispute(DISPUTED, call(ARBITER), Verdict.WORKER, cid),
    ]
    for attempt in attempts:
        with pytest.raises(MoveRefused) as raised:
            attempt()
        assert raised.value.rule == "BAD_CID"


@pytest.mark.parametrize("cid", ["x", "x" * 128, "é" * 64])
def test_cids_at_the_limits_are_accepted(cid: str) -> None:
    """One byte, and 128."""
    assert cid == escrow.submit_result(CLAIMED, call(WORKER), cid).job.result_cid


def test_times_that_the_contract_cannot_store_are_refused() -> None:
    """40 bits; the last second that fits is legal."""
    late = ledger.TIME_MAX
    job = replace(OPEN, order=replace(ORDER, terms=replace(TERMS, deadline=late)))
    assert late == make("claim", job, call(WORKER, late - LEASE), barred=False).job.lease_end
    assert rule_of("claim", job, call(WORKER, late - LEASE + 1)) == "OVERFLOW"


@pytest.mark.parametrize(
    ("bond", "held", "lease", "fee"),
    [
        (95, 0, 600, 10),
        (95, 60, 600, 10),
        (95, 64, 600, 11),
        (100, 60, 600, 10),
        (100, 61, 600, 11),
        (100, 599, 600, 100),
        (1, 0, 600, 1),
        (0, 599, 600, 0),
        (BOUND_FRI, 599, 600, BOUND_FRI * 599 // 600 + 1),
    ],
)
def test_the_fee_is_rounded_up(bond: int, held: int, lease: int, fee: int) -> None:
    """max(⌈B/10⌉, ⌈B·held/lease⌉), exact at any size, and never more than the bond."""
    terms = replace(TERMS, bond_fri=bond, lease_seconds=lease)
    job = replace(CLAIMED, order=replace(ORDER, terms=terms))
    assert fee == escrow.release_fee_fri(job, NOW + held)
    assert fee <= bond
