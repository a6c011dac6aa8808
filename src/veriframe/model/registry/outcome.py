"""The effects of a legal move on a job, and the postings that fill and empty its escrow."""

from __future__ import annotations

from dataclasses import dataclass, replace

from veriframe.model.registry import ledger
from veriframe.model.registry.job import NOBODY, Address, Job, JobState
from veriframe.model.registry.ledger import BURNED, Event, EventKind, Posting, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The effects of a legal move: the job after it, postings, events, and who may not claim it again."""

    job: Job
    postings: tuple[Posting, ...] = ()
    events: tuple[Event, ...] = ()
    barred: tuple[Address, ...] = ()


def into_escrow(job: Job, payer: Address, amount_fri: int, reason: Reason) -> tuple[Posting, ...]:
    """Move an account's credit into a job's escrow. No posting if the amount is 0."""
    return _posting(Posting(ledger.credit(payer), ledger.escrow(job.id), amount_fri, reason))


def out_of_escrow(job: Job, payee: Address, amount_fri: int, reason: Reason) -> tuple[Posting, ...]:
    """Move part of a job's escrow to an account's credit. No posting if the amount is 0."""
    return _posting(Posting(ledger.escrow(job.id), ledger.credit(payee), amount_fri, reason))


def burn(job: Job, amount_fri: int, reason: Reason) -> tuple[Posting, ...]:
    """Burn part of a job's escrow. No posting if the amount is 0."""
    return _posting(Posting(ledger.escrow(job.id), BURNED, amount_fri, reason))


def _posting(posting: Posting) -> tuple[Posting, ...]:
    # A bond may be 0 if a worker is named.
    return (posting,) if posting.amount_fri else ()


def pay(job: Job, others: tuple[Posting, ...] = ()) -> Outcome:
    """End the job as PAID: the worker gets reward and bond. `others` are additional postings."""
    terms, worker = job.terms, job.worker
    postings = (
        *out_of_escrow(job, worker, terms.reward_fri, Reason.REWARD),
        *out_of_escrow(job, worker, terms.bond_fri, Reason.BOND),
        *others,
    )
    paid_fri = sum(line.amount_fri for line in postings if line.target == ledger.credit(worker))
    event = Event(kind=EventKind.JOB_PAID, subject=job.id, party=worker, amount_fri=paid_fri)
    return Outcome(job=replace(job, state=JobState.PAID), postings=postings, events=(event,))


def refund(job: Job, ended: Job, others: tuple[Posting, ...]) -> Outcome:
    """End the job as `ended`: the creator gets the reward back. `others` are additional postings."""
    creator = job.order.creator
    postings = (*out_of_escrow(job, creator, job.terms.reward_fri, Reason.REWARD), *others)
    back_fri = sum(line.amount_fri for line in postings if line.target == ledger.credit(creator))
    event = Event(kind=EventKind.JOB_REFUNDED, subject=job.id, party=creator, amount_fri=back_fri)
    return Outcome(job=ended, postings=postings, events=(event,))


def unclaimed(job: Job, state: JobState) -> Job:
    """The job without its claimant."""
    return replace(job, state=state, worker=NOBODY, claimed_at=0, lease_end=0)
