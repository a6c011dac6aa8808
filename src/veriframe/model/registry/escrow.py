"""The job registry's rules as pure functions: who may make which move when, and where the money goes.

The embedded registry is built on them, and the contract is tested against them. Time is half open: a move is
legal while `now < end`, the move of its timeout when `now >= end`. What is forfeited is burned, so that
nobody earns by another's failure. Every function raises `MoveRefused` where its move is not legal; the order
of the checks is who, state, time, content, money.
"""

from __future__ import annotations

from dataclasses import replace

from veriframe.errors import Code
from veriframe.model.registry import ledger
from veriframe.model.registry.job import NOBODY, Job, JobState, Verdict
from veriframe.model.registry.ledger import (
    TIME_MAX,
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

    `barred`: whether the caller released this job, or let a claim on it lapse, before.
    """
    terms = job.terms
    _require_claimer(job, call, barred=barred)
    free = job.state is JobState.OPEN or _is_lapsed(job, call)
    require(free, Rule.NOT_OPEN, lambda: f"{_standing(job)} Look for another one.")
    require(
        _runs(call.now, terms.deadline),
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
        lease_end=_end(call.now, terms.lease_seconds),
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
    """CLAIMED → OPEN by the claimant, who is barred. The bond comes back less a fee, which is burned."""
    _require_claim(job, call)
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
    """What a release costs at `now`: a tenth of the bond, or the held part of the lease if more."""
    bond_fri, held_seconds = job.terms.bond_fri, now - job.claimed_at
    return max(-(-bond_fri // 10), -(-bond_fri * held_seconds // job.terms.lease_seconds))


def submit_result(job: Job, call: Call, result_cid: str) -> Outcome:
    """CLAIMED → SUBMITTED by the claimant. The review begins."""
    _require_claim(job, call)
    require_cid(result_cid, "result")
    submitted = replace(
        job,
        state=JobState.SUBMITTED,
        result_cid=result_cid,
        review_end=_end(call.now, job.terms.review_seconds),
        submitted_block=call.block,
    )
    event = _event(EventKind.RESULT_SUBMITTED, job, call, note=result_cid)
    return Outcome(job=submitted, events=(event,))


def accept_result(job: Job, call: Call) -> Outcome:
    """SUBMITTED → PAID by the creator, at any time."""
    _require_creator(job, call)
    _require_submitted(job)
    return pay(job)


def dispute_result(job: Job, call: Call, evidence_cid: str) -> Outcome:
    """SUBMITTED → DISPUTED by the creator, who puts up a bond as high as the worker's."""
    _require_creator(job, call)
    _require_submitted(job)
    terms = job.terms
    require(
        terms.arbiter != NOBODY,
        Rule.NO_ARBITER,
        lambda: f"Job {job.id} has no arbiter, so that nobody can decide. Name one in the next order.",
    )
    require(
        _runs(call.now, job.review_end),
        Rule.REVIEW_OVER,
        lambda: f"The review of job {job.id} is over. Dispute earlier, or offer a longer review.",
    )
    require_cid(evidence_cid, "evidence")
    ledger.require_credit(call.credit_fri, terms.bond_fri, "put up the dispute bond")
    disputed = replace(
        job,
        state=JobState.DISPUTED,
        arbitration_end=_end(call.now, terms.arbitration_seconds),
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
    require(job.state is JobState.DISPUTED, Rule.NOT_DISPUTED, lambda: _standing(job))
    require(
        _runs(call.now, job.arbitration_end),
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
    """Anyone's move once a time is over: pays the worker, or refunds the creator if nobody handed in."""
    require(
        not job.state.is_final, Rule.ALREADY_FINAL, lambda: f"{_standing(job)} There is nothing to finalize."
    )
    end = due(job)
    require(
        not _runs(call.now, end),
        Rule.NOT_DUE,
        lambda: f"Job {job.id} cannot be finalized before {end - call.now} s are over.",
    )
    match job.state:
        case JobState.SUBMITTED:
            return pay(job)
        case JobState.DISPUTED:
            # The creator chose the arbiter who said nothing.
            return pay(job, burn(job, job.terms.bond_fri, Reason.FORFEIT))
        case _:
            return _take_back(job, call)


def due(job: Job) -> int:
    """From when on anyone may finalize a job that is not final, in chain seconds."""
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
    _require_creator(job, call)
    live = job.state is JobState.CLAIMED and not _is_lapsed(job, call)
    require(
        not live,
        Rule.LIVE_CLAIM,
        lambda: f"A worker has job {job.id} for {job.lease_end - call.now} s more. Cancel it afterwards.",
    )
    free = job.state in (JobState.OPEN, JobState.CLAIMED)
    require(free, Rule.NOT_OPEN, lambda: f"{_standing(job)} It can no longer be cancelled.")
    return _take_back(job, call)


def _runs(now: int, end: int) -> bool:
    """Whether a time that ends at `end` is not over."""
    return now < end


def _is_lapsed(job: Job, call: Call) -> bool:
    return job.state is JobState.CLAIMED and not _runs(call.now, job.lease_end)


def _end(now: int, seconds: int) -> int:
    end = now + seconds
    require(
        end <= TIME_MAX,
        Rule.OVERFLOW,
        lambda: f"{end} is later than the registry can keep ({TIME_MAX}). Correct the clock.",
    )
    return end


def _require_claimer(job: Job, call: Call, *, barred: bool) -> None:
    caller, named = call.caller, job.terms.worker
    require(
        caller not in (job.order.creator, job.terms.arbiter),
        Rule.OWN_JOB,
        lambda: f"The creator and the arbiter of job {job.id} cannot claim it. Use another account.",
    )
    require(
        named in (NOBODY, caller),
        Rule.OTHER_WORKER,
        lambda: f"Job {job.id} is for the worker {named:#x} only. Look for another one.",
    )
    lapsed_here = job.worker == caller and _is_lapsed(job, call)
    require(
        not barred and not lapsed_here,
        Rule.BARRED,
        lambda: f"This account had job {job.id} before and cannot claim it again. Look for another one.",
    )


def _require_claim(job: Job, call: Call) -> None:
    require(
        job.worker == call.caller,
        Rule.NOT_CLAIMANT,
        lambda: f"This account has no claim on job {job.id}. Use the claimant's account.",
    )
    require(job.state is JobState.CLAIMED, Rule.NOT_CLAIMED, lambda: _standing(job))
    require(
        _runs(call.now, job.lease_end),
        Rule.LEASE_OVER,
        lambda: f"The lease of job {job.id} ended {call.now - job.lease_end} s ago. Look for another job.",
    )


def _require_creator(job: Job, call: Call) -> None:
    require(
        call.caller == job.order.creator,
        Rule.NOT_CREATOR,
        lambda: f"Only the creator of job {job.id} may do that. Use the account that posted it.",
    )


def _require_submitted(job: Job) -> None:
    require(
        job.state is JobState.SUBMITTED,
        Rule.NOT_SUBMITTED,
        lambda: f"{_standing(job)} Only a submitted result can be accepted or disputed.",
    )


def _event(kind: EventKind, job: Job, call: Call, *, amount_fri: int = 0, note: str = "") -> Event:
    return Event(kind=kind, subject=job.id, party=call.caller, amount_fri=amount_fri, note=note)


def _standing(job: Job) -> str:
    return f"Job {job.id} is {job.state}."


def _take_back(job: Job, call: Call) -> Outcome:
    lapse = _lapse(job, call)
    ended = refund(job, unclaimed(job, JobState.REFUNDED), lapse.postings)
    return replace(ended, events=(*lapse.events, *ended.events), barred=lapse.barred)


def _lapse(job: Job, call: Call) -> Outcome:
    """What becomes of a lapsed claim when the next move finds it; nothing where there is none."""
    if not _is_lapsed(job, call):
        return Outcome(job=job)
    bond_fri = job.terms.bond_fri
    event = Event(kind=EventKind.CLAIM_LAPSED, subject=job.id, party=job.worker, amount_fri=bond_fri)
    return Outcome(
        job=job, postings=burn(job, bond_fri, Reason.FORFEIT), events=(event,), barred=(job.worker,)
    )
