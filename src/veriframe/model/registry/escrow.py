"""The job registry's rules as pure functions: who may make which move when, and where the money goes.

The embedded registry uses them, and the contract is tested against them. Time is half open: a move is legal
while `now < end`, the move of its timeout when `now >= end`. Forfeited money is burned, so that no one
profits from another's failure. Every function raises `MoveRefused` if its move is not legal; it checks the
caller, then the state, the time, the content and the money.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from veriframe.errors import Code
from veriframe.model.quantities import format_span
from veriframe.model.registry import guards, ledger
from veriframe.model.registry.job import Address, Job, JobState, Verdict
from veriframe.model.registry.ledger import (
    Call,
    Event,
    EventKind,
    Reason,
    Rule,
    require,
    require_cid,
)
from veriframe.model.registry.outcome import Outcome, burn, into_escrow, out_of_escrow, pay, refund, unclaimed


def claim(job: Job, call: Call, *, barred: bool = False) -> Outcome:
    """OPEN or lapsed → CLAIMED. The bond goes into escrow; that of a lapsed claim is burned.

    `barred`: whether the caller has already released this job, or let a claim on it lapse.
    """
    terms = job.terms
    guards.require_claimer(job, call, barred=barred)
    free = job.state is JobState.OPEN or guards.is_lapsed(job, call)
    require(free, Rule.NOT_OPEN, lambda: f"{guards.describe_state(job)} Look for another one.")
    require(
        guards.runs(call.now, terms.deadline),
        Rule.DEADLINE_OVER,
        lambda: f"The deadline of job {job.id} is over. Look for another one.",
    )
    ledger.require_credit(call.credit_fri, terms.bond_fri, f"put up the bond of job {job.id}")
    lapse = _lapse(job, call)
    claimed = replace(
        job,
        state=JobState.CLAIMED,
        worker=call.caller,
        claimed_at=call.now,
        lease_end=guards.end_of(call.now, terms.lease_seconds),
    )
    return Outcome(
        job=claimed,
        postings=(*lapse.postings, *into_escrow(job, call.caller, terms.bond_fri, Reason.BOND)),
        events=(
            *lapse.events,
            Event(kind=EventKind.JOB_CLAIMED, subject=job.id, party=call.caller, amount_fri=terms.bond_fri),
        ),
        barred=lapse.barred,
    )


def release(job: Job, call: Call, reason: Code) -> Outcome:
    """CLAIMED → OPEN by the claimant, who is barred. The bond is returned less a fee, which is burned."""
    guards.require_claim(job, call)
    fee_fri = release_fee_fri(job, call.now)
    back = out_of_escrow(job, job.worker, job.terms.bond_fri - fee_fri, Reason.BOND)
    fee = burn(job, fee_fri, Reason.RELEASE_FEE)
    event = _event(EventKind.JOB_RELEASED, job, call, amount_fri=fee_fri, note=reason.value)
    return Outcome(
        job=unclaimed(job, JobState.OPEN),
        postings=(*back, *fee),
        events=(event,),
        barred=(call.caller,),
    )


def release_fee_fri(job: Job, now: int) -> int:
    """The fee of a release at `now`: a tenth of the bond, or the used share of the lease if that is more."""
    bond_fri, held_seconds = job.terms.bond_fri, now - job.claimed_at
    return max(-(-bond_fri // 10), -(-bond_fri * held_seconds // job.terms.lease_seconds))


def submit_result(job: Job, call: Call, result_cid: str) -> Outcome:
    """CLAIMED → SUBMITTED by the claimant. The review starts."""
    guards.require_claim(job, call)
    require_cid(result_cid, "result")
    submitted = replace(
        job,
        state=JobState.SUBMITTED,
        result_cid=result_cid,
        review_end=guards.end_of(call.now, job.terms.review_seconds),
        submitted_block=call.block,
    )
    event = _event(EventKind.RESULT_SUBMITTED, job, call, note=result_cid)
    return Outcome(job=submitted, events=(event,))


def accept_result(job: Job, call: Call) -> Outcome:
    """SUBMITTED → PAID by the creator, at any time."""
    guards.require_acceptable(job, call)
    return pay(job)


def dispute_result(job: Job, call: Call, evidence_cid: str) -> Outcome:
    """SUBMITTED → DISPUTED by the creator, who puts up a bond as high as the worker's."""
    guards.require_disputable(job, call)
    terms = job.terms
    require_cid(evidence_cid, "evidence")
    ledger.require_credit(call.credit_fri, terms.bond_fri, "put up the dispute bond")
    disputed = replace(
        job,
        state=JobState.DISPUTED,
        arbitration_end=guards.end_of(call.now, terms.arbitration_seconds),
        disputed_block=call.block,
    )
    event = _event(EventKind.RESULT_DISPUTED, job, call, amount_fri=terms.bond_fri, note=evidence_cid)
    postings = into_escrow(job, call.caller, terms.bond_fri, Reason.DISPUTE_BOND)
    return Outcome(job=disputed, postings=postings, events=(event,))


def resolve_dispute(job: Job, call: Call, verdict: Verdict, evidence_cid: str) -> Outcome:
    """DISPUTED → PAID or REFUNDED by the arbiter. The loser's bond goes to the worker, or is burned."""
    require(
        call.caller == job.terms.arbiter,
        Rule.NOT_ARBITER,
        lambda: f"Only the arbiter of job {job.id} decides. Use the arbiter's account.",
    )
    require(job.state is JobState.DISPUTED, Rule.NOT_DISPUTED, lambda: guards.describe_state(job))
    require(
        guards.runs(call.now, job.arbitration_end),
        Rule.ARBITRATION_OVER,
        lambda: f"The arbitration of job {job.id} is over. Anyone may finalize it.",
    )
    require_cid(evidence_cid, "evidence")
    bond_fri, creator = job.terms.bond_fri, job.order.creator
    match verdict:
        case Verdict.WORKER:
            ended = pay(job, out_of_escrow(job, job.worker, bond_fri, Reason.DISPUTE_BOND))
        case Verdict.NEITHER:
            ended = pay(job, out_of_escrow(job, creator, bond_fri, Reason.DISPUTE_BOND))
        case Verdict.CREATOR:
            back = out_of_escrow(job, creator, bond_fri, Reason.DISPUTE_BOND)
            burned = burn(job, bond_fri, Reason.FORFEIT)
            ended = refund(job, replace(job, state=JobState.REFUNDED), (*back, *burned))
    event = Event(
        kind=EventKind.DISPUTE_RESOLVED,
        subject=job.id,
        party=call.caller,
        note=f"{verdict} {evidence_cid}",
    )
    return replace(ended, events=(event, *ended.events))


def finalize(job: Job, call: Call) -> Outcome:
    """Anyone's move once a time limit is over: pays the worker, or refunds the creator without a result."""
    require(
        not job.state.is_final,
        Rule.ALREADY_FINAL,
        lambda: f"{guards.describe_state(job)} There is nothing to finalize.",
    )
    end = due(job)
    require(
        not guards.runs(call.now, end),
        Rule.NOT_DUE,
        lambda: f"Job {job.id} cannot be finalized for another {format_span(end - call.now)}.",
    )
    match job.state:
        case JobState.SUBMITTED:
            return pay(job)
        case JobState.DISPUTED:
            # The creator chose the arbiter, who did not decide in time.
            return pay(job, burn(job, job.terms.bond_fri, Reason.FORFEIT))
        case _:
            return _take_back(job, call)


def shares(jobs: Iterable[Job]) -> Mapping[Address, int]:
    """What is in escrow of each account, in fri: rewards and dispute bonds of creators, bonds of workers."""
    held = Counter[Address]()
    for job in jobs:
        if job.state.is_final:
            continue
        terms, is_disputed = job.terms, job.state is JobState.DISPUTED
        held[job.order.creator] += terms.reward_fri + terms.bond_fri * is_disputed
        if job.state is not JobState.OPEN:
            held[job.worker] += terms.bond_fri
    return held


def due(job: Job) -> int:
    """The time from which anyone may finalize a job that is not final, in chain seconds."""
    match job.state:
        case JobState.SUBMITTED:
            return job.review_end
        case JobState.DISPUTED:
            return job.arbitration_end
        case JobState.CLAIMED:
            return max(job.lease_end, job.terms.deadline)
        case _:
            return job.terms.deadline


def cancel_job(job: Job, call: Call) -> Outcome:
    """OPEN or lapsed → REFUNDED by the creator."""
    guards.require_creator(job, call)
    live = job.state is JobState.CLAIMED and not guards.is_lapsed(job, call)
    require(
        not live,
        Rule.LIVE_CLAIM,
        lambda: (
            f"A worker has claimed job {job.id} for another {format_span(job.lease_end - call.now)}."
            " Cancel it later."
        ),
    )
    free = job.state in (JobState.OPEN, JobState.CLAIMED)
    require(free, Rule.NOT_OPEN, lambda: f"{guards.describe_state(job)} It can no longer be cancelled.")
    return _take_back(job, call)


def _event(kind: EventKind, job: Job, call: Call, *, amount_fri: int = 0, note: str = "") -> Event:
    return Event(kind=kind, subject=job.id, party=call.caller, amount_fri=amount_fri, note=note)


def _take_back(job: Job, call: Call) -> Outcome:
    lapse = _lapse(job, call)
    ended = refund(job, unclaimed(job, JobState.REFUNDED), lapse.postings)
    return replace(ended, events=(*lapse.events, *ended.events), barred=lapse.barred)


def _lapse(job: Job, call: Call) -> Outcome:
    """The effects of a lapsed claim, which the next move settles; none if no claim has lapsed."""
    if not guards.is_lapsed(job, call):
        return Outcome(job=job)
    bond_fri = job.terms.bond_fri
    event = Event(kind=EventKind.CLAIM_LAPSED, subject=job.id, party=job.worker, amount_fri=bond_fri)
    return Outcome(
        job=job, postings=burn(job, bond_fri, Reason.FORFEIT), events=(event,), barred=(job.worker,)
    )
