"""Posting an order: the terms that the registry accepts, and the effects of creating its jobs."""

from __future__ import annotations

from dataclasses import dataclass

from veriframe.errors import MoveRefused
from veriframe.model.quantities import format_span, format_strk
from veriframe.model.registry import ledger
from veriframe.model.registry.job import NOBODY, Job, Order, Terms
from veriframe.model.registry.ledger import TIME_MAX, Call, Event, EventKind, Posting, Reason, Rule, require

DAY = 86400
DEADLINE_MAX_SECONDS = 365 * DAY
SPAN_MIN_SECONDS = 60
SPAN_MAX_SECONDS = 30 * DAY
JOBS_MAX = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """The effects of posting an order."""

    order: Order
    jobs: tuple[Job, ...]
    postings: tuple[Posting, ...]
    events: tuple[Event, ...]


def create_order(call: Call, asset_cid: str, terms: Terms, jobs: int, newest: Order | None) -> Posted:
    """Create an order with OPEN jobs. The rewards move from the creator's credit into escrow.

    `newest` is the previous order; the numbers of orders and jobs continue from it, or start at 1.
    """
    ledger.require_cid(asset_cid, "asset")
    require(
        1 <= jobs <= JOBS_MAX,
        Rule.BAD_COUNT,
        lambda: f"An order has 1 to {JOBS_MAX} jobs, not {jobs}. Split it into several orders.",
    )
    require_terms(call, terms)
    return post_order(call, asset_cid, terms, jobs, newest)


def post_order(call: Call, asset_cid: str, terms: Terms, jobs: int, newest: Order | None) -> Posted:
    """Post an order whose CID, count and terms are already checked. Refuses it only for lack of money."""
    total_fri = terms.reward_fri * jobs
    ledger.require_bounded(total_fri)
    ledger.require_credit(call.credit_fri, total_fri, "pay the rewards")
    order_id, first_job = (newest.id + 1, newest.first_job + newest.jobs) if newest else (1, 1)
    order = Order(
        id=order_id,
        creator=call.caller,
        asset_cid=asset_cid,
        terms=terms,
        first_job=first_job,
        jobs=jobs,
        created_at=call.now,
    )
    made = tuple(Job(id=first_job + part, order=order, part=part) for part in range(jobs))
    event = Event(
        kind=EventKind.ORDER_CREATED,
        subject=order_id,
        party=call.caller,
        amount_fri=total_fri,
        note=f"jobs {first_job} to {first_job + jobs - 1}",
    )
    return Posted(order=order, jobs=made, postings=_rewards(order, made), events=(event,))


def _rewards(order: Order, jobs: tuple[Job, ...]) -> tuple[Posting, ...]:
    source, reward_fri = ledger.credit(order.creator), order.terms.reward_fri
    return tuple(Posting(source, ledger.escrow(job.id), reward_fri, Reason.REWARD) for job in jobs)


def require_terms(call: Call, terms: Terms) -> None:
    """Refuse terms that the registry does not accept from this caller at this time."""
    _require_money(terms)
    _require_times(call.now, terms)
    _require_people(call, terms)


def _require_money(terms: Terms) -> None:
    reward_fri, bond_fri = terms.reward_fri, terms.bond_fri
    require(
        reward_fri > 0,
        Rule.BAD_REWARD,
        lambda: f"A reward of {format_strk(reward_fri)} is not allowed. Offer more than 0.",
    )
    ledger.require_bounded(reward_fri)
    require(
        bond_fri > 0 or (bond_fri == 0 and terms.worker != NOBODY),
        Rule.BAD_BOND,
        lambda: (
            f"A bond of {format_strk(bond_fri)} is not allowed. Ask for more than 0, or for 0 from a named"
            " worker."
        ),
    )
    ledger.require_bounded(bond_fri)


def _require_times(now: int, terms: Terms) -> None:
    latest = min(now + DEADLINE_MAX_SECONDS, TIME_MAX)
    require(
        now < terms.deadline <= latest,
        Rule.BAD_DEADLINE,
        lambda: (
            f"A deadline of {format_span(terms.deadline - now)} from now is not allowed. Choose one within"
            f" {format_span(DEADLINE_MAX_SECONDS)}."
        ),
    )
    spans = (
        (Rule.BAD_LEASE, "lease", terms.lease_seconds, SPAN_MIN_SECONDS),
        (Rule.BAD_REVIEW, "review", terms.review_seconds, 0),
        (Rule.BAD_ARBITRATION, "arbitration", terms.arbitration_seconds, SPAN_MIN_SECONDS),
    )
    for rule, name, seconds, least in spans:
        if not least <= seconds <= SPAN_MAX_SECONDS:
            raise MoveRefused(
                rule.value,
                f"The {name} of {format_span(seconds)} is not between {format_span(least)} and "
                f"{format_span(SPAN_MAX_SECONDS)}. Choose another.",
            )


def _require_people(call: Call, terms: Terms) -> None:
    arbiter, worker = terms.arbiter, terms.worker
    require(
        arbiter == NOBODY or (ledger.is_account(arbiter) and arbiter != call.caller),
        Rule.BAD_ARBITER,
        lambda: f"{arbiter:#x} cannot be the arbiter. Name an account that is not the creator's, or none.",
    )
    require(
        worker == NOBODY or (ledger.is_account(worker) and worker not in (call.caller, arbiter)),
        Rule.BAD_WORKER,
        lambda: (
            f"{worker:#x} cannot be the worker. Name an account that is neither the creator's nor the"
            " arbiter's, or none."
        ),
    )
