"""A job's history: from its posting on, with each lapse where it belongs."""

from __future__ import annotations

from veriframe.model.registry.history import JobEvent, told_from_start
from veriframe.model.registry.job import Address, Job, Order
from veriframe.model.registry.ledger import EventKind
from veriframe.model.registry.offer import Offer

LEASE, START = 600, 1000
FIRST, SECOND = Address(1), Address(2)
ORDER = Order(
    id=1,
    creator=Address(9),
    asset_cid="a scene",
    terms=Offer(reward_fri=7, bond_fri=3, lease_seconds=LEASE).terms(START),
    first_job=1,
    jobs=1,
    created_at=START,
)
JOB = Job(id=1, order=ORDER, part=0)


def event(kind: EventKind, at: int, party: Address = FIRST) -> JobEvent:
    """An event of the job."""
    return JobEvent(kind=kind, at=at, party=party, amount_fri=3)


def kinds(*events: JobEvent, now: int = START + 10**6) -> list[tuple[str, int]]:
    """What is told, with its times."""
    return [(one.kind.value, one.at) for one in told_from_start(JOB, events, now)]


CLAIM = event(EventKind.JOB_CLAIMED, 2000)
LAPSE = ("ClaimLapsed", 2000 + LEASE)


def test_the_posting_comes_first() -> None:
    """It is the order's, which has no event of the job."""
    (posted,) = told_from_start(JOB, (), START)
    assert (posted.at, posted.party, posted.amount_fri) == (START, Address(9), 7)


def test_a_claim_that_was_never_settled_has_lapsed_when_its_lease_is_over() -> None:
    """fault_136: no move says so; not a second earlier."""
    assert kinds(CLAIM, now=2000 + LEASE - 1)[-1] == ("JobClaimed", 2000)
    assert kinds(CLAIM, now=2000 + LEASE)[-1] == LAPSE


def test_a_settled_lapse_is_told_once_and_at_its_own_time() -> None:
    """fault_136: the registry notes it with the next claim or with the refund."""
    for settling in (EventKind.JOB_CLAIMED, EventKind.JOB_REFUNDED):
        moves = (
            event(EventKind.CLAIM_LAPSED, 9000),
            event(settling, 9000, SECOND),
        )
        assert kinds(CLAIM, *moves, now=9001)[2:] == [LAPSE, (settling.value, 9000)]


def test_a_lapse_without_an_event_is_derived() -> None:
    """A node may have lost it."""
    assert kinds(CLAIM, event(EventKind.JOB_CLAIMED, 9000, SECOND), now=9001)[2:] == [
        LAPSE,
        ("JobClaimed", 9000),
    ]


def test_a_lapse_without_its_claim_stays_where_it_is() -> None:
    """A node may have lost the claim."""
    assert kinds(event(EventKind.CLAIM_LAPSED, 9000))[1:] == [("ClaimLapsed", 9000)]


def test_claims_that_ended_otherwise_have_not_lapsed() -> None:
    """They were released, or a result came."""
    for end in (EventKind.JOB_RELEASED, EventKind.RESULT_SUBMITTED):
        assert kinds(CLAIM, event(end, 2100))[1:] == [("JobClaimed", 2000), (end.value, 2100)]
    paid = (event(EventKind.RESULT_SUBMITTED, 2100), event(EventKind.JOB_REFUNDED, 2200))
    assert "ClaimLapsed" not in dict(kinds(CLAIM, *paid))
