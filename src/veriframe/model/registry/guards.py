"""Guards of the registry's moves: who may act, in which state, and within which time limits.

Time is half open: a limit is running while `now < end`. Each guard raises `MoveRefused`.
"""

from __future__ import annotations

from veriframe.model.quantities import format_span
from veriframe.model.registry.job import NOBODY, Job, JobState
from veriframe.model.registry.ledger import TIME_MAX, Call, Rule, require


def runs(now: int, end: int) -> bool:
    """Whether a time limit that ends at `end` is still running."""
    return now < end


def is_lapsed(job: Job, call: Call) -> bool:
    """Whether the claim on a job has lapsed at the time of the call."""
    return job.state is JobState.CLAIMED and not runs(call.now, job.lease_end)


def end_of(now: int, seconds: int) -> int:
    """The end of a span that starts now. Refuses a time that the registry cannot store (OVERFLOW)."""
    end = now + seconds
    require(
        end <= TIME_MAX,
        Rule.OVERFLOW,
        lambda: f"{end} is later than the registry can store ({TIME_MAX}). Correct the clock.",
    )
    return end


def require_claimer(job: Job, call: Call, *, barred: bool) -> None:
    """Refuse a claim by the creator, the arbiter, an account that is not named, or a barred one."""
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
    lapsed_here = job.worker == caller and is_lapsed(job, call)
    require(
        not barred and not lapsed_here,
        Rule.BARRED,
        lambda: f"This account had job {job.id} before and cannot claim it again. Look for another one.",
    )


def require_claim(job: Job, call: Call) -> None:
    """Refuse a caller without a live claim on the job."""
    require(
        job.worker == call.caller,
        Rule.NOT_CLAIMANT,
        lambda: f"This account has no claim on job {job.id}. Use the claimant's account.",
    )
    require(job.state is JobState.CLAIMED, Rule.NOT_CLAIMED, lambda: describe_state(job))
    require(
        runs(call.now, job.lease_end),
        Rule.LEASE_OVER,
        lambda: (
            f"The lease of job {job.id} ended {format_span(call.now - job.lease_end)} ago."
            " Look for another job."
        ),
    )


def require_creator(job: Job, call: Call) -> None:
    """Refuse anyone but the job's creator."""
    require(
        call.caller == job.order.creator,
        Rule.NOT_CREATOR,
        lambda: f"Only the creator of job {job.id} may do that. Use the account that posted it.",
    )


def require_submitted(job: Job, call: Call) -> None:
    """Refuse a job without a result to decide on, at `call.now`."""
    require(
        job.state is JobState.SUBMITTED,
        Rule.NOT_SUBMITTED,
        lambda: f"{describe_state(job)} {_undecidable(job, call.now)}",
    )


def require_acceptable(job: Job, call: Call) -> None:
    """Refuse what cannot be accepted: anyone but the creator, and a job without a result to decide on."""
    require_creator(job, call)
    require_submitted(job, call)


def require_disputable(job: Job, call: Call) -> None:
    """Refuse what cannot be disputed, apart from the money for the bond."""
    require_acceptable(job, call)
    require(
        job.terms.arbiter != NOBODY,
        Rule.NO_ARBITER,
        lambda: (
            f"Job {job.id} has no arbiter to decide a dispute. Name one in the next order, with --arbiter"
            " ADDRESS."
        ),
    )
    require(
        runs(call.now, job.review_end),
        Rule.REVIEW_OVER,
        lambda: f"The review of job {job.id} is over. Dispute earlier, or offer a longer review.",
    )


def _undecidable(job: Job, now: int) -> str:
    """Why a job that is not SUBMITTED cannot be accepted or disputed, and what to do."""
    if job.state is JobState.DISPUTED:
        if not runs(now, job.arbitration_end):
            return "Its arbiter did not decide in time: anyone may trigger the payment."
        left = format_span(job.arbitration_end - now)
        return (
            f"Its arbiter decides, for at most another {left}: `veriframe job watch {job.id}` waits for it."
        )
    if job.state.is_final:
        return "There is nothing left to accept or dispute."
    return (
        "Only a submitted result can be accepted or disputed: "
        f"`veriframe job watch {job.id} --result` waits for one."
    )


def describe_state(job: Job) -> str:
    """The job's state, as a sentence."""
    return f"Job {job.id} is {job.state}."
