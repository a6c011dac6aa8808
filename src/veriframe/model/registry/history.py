"""The history of a job: what its registry says of the moves on it, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from veriframe.model.registry.job import Address, Job
from veriframe.model.registry.ledger import Event, EventKind


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """One event of a job. `at` is the registry's time in chain seconds; `party` acted, was paid, or lost.

    `reason` is the code of a release or the verdict of an arbiter, `cid` that of a result or of evidence.
    Both are other accounts' texts, whatever they hold, and empty where there is none.
    """

    kind: EventKind
    at: int
    party: Address
    amount_fri: int = 0
    reason: str = ""
    cid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHistory:
    """The events of one job, oldest first. `gap` is a sentence about what is missing, or empty."""

    events: tuple[JobEvent, ...] = ()
    gap: str = ""

    def cid_of(self, kind: EventKind) -> str:
        """What the last event of this kind names: a result or evidence; empty if there is none."""
        return next((event.cid for event in reversed(self.events) if event.kind is kind), "")


def job_event(event: Event, at: int) -> JobEvent:
    """An event of the books as one of its job's history, at its time in chain seconds."""
    reason, cid = "", ""
    match event.kind:
        case EventKind.JOB_RELEASED:
            reason = event.note
        case EventKind.RESULT_SUBMITTED | EventKind.RESULT_DISPUTED:
            cid = event.note
        case EventKind.DISPUTE_RESOLVED:
            reason, _, cid = event.note.partition(" ")
    return JobEvent(
        kind=event.kind, at=at, party=event.party, amount_fri=event.amount_fri, reason=reason, cid=cid
    )


def told_from_start(job: Job, events: Sequence[JobEvent], now: int) -> tuple[JobEvent, ...]:
    """The events up to `now` (chain seconds), with the posting first and each lapse at its lease's end.

    A registry notes a lapse only with the next move, which may come much later, or never.
    """
    order = job.order
    posted = JobEvent(
        kind=EventKind.ORDER_CREATED,
        at=order.created_at,
        party=order.creator,
        amount_fri=order.terms.reward_fri,
    )
    told: list[JobEvent] = [posted]
    claim: JobEvent | None = None
    for event in events:
        if claim is not None and event.kind in _AFTER_A_LAPSE:
            told.append(_lapse(claim, job))
        if event.kind is EventKind.JOB_CLAIMED:
            claim = event
        elif event.kind is EventKind.CLAIM_LAPSED and claim is not None:
            claim = None
            continue
        else:
            claim = None
        told.append(event)
    if claim is not None and now >= _lease_end(claim, job):
        told.append(_lapse(claim, job))
    return tuple(told)


_AFTER_A_LAPSE = (EventKind.CLAIM_LAPSED, EventKind.JOB_CLAIMED, EventKind.JOB_REFUNDED)
"""The events that a claim without a result leads to only once it has lapsed."""


def _lease_end(claim: JobEvent, job: Job) -> int:
    return claim.at + job.terms.lease_seconds


def _lapse(claim: JobEvent, job: Job) -> JobEvent:
    return replace(claim, kind=EventKind.CLAIM_LAPSED, at=_lease_end(claim, job))
