"""Mutation tests: each planted bug is found by the check that should find it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.fakes.registry import Shared
from tests.unit.model.registry import escrow_invariants as invariants
from tests.unit.model.registry.escrow_invariants import Check
from tests.unit.model.registry.escrow_stories import play

from veriframe.errors import Code, MoveRefused
from veriframe.model.registry import escrow, guards, ledger
from veriframe.model.registry.job import NOBODY, Address, Job, JobState, Verdict
from veriframe.model.registry.ledger import Call, Posting, Transfer
from veriframe.model.registry.outcome import Outcome, into_escrow, out_of_escrow, pay

# The correct rules, which the planted bugs wrap.
CLAIM, RELEASE, SUBMIT = escrow.claim, escrow.release, escrow.submit_result
CANCEL, DISPUTE, RESOLVE, FINALIZE = (
    escrow.cancel_job,
    escrow.dispute_result,
    escrow.resolve_dispute,
    escrow.finalize,
)
PAY, LAPSE, DEPOSIT, APPLY = pay, escrow._lapse, ledger.deposit, Shared.apply


def runs_one_second_longer(now: int, end: int) -> bool:
    """`<=` instead of `<`."""
    return now <= end


def submit_at_the_end(job: Job, call: Call, result_cid: str) -> Outcome:
    """A submission is legal in the second in which the claim has lapsed."""
    return SUBMIT(job, replace(call, now=call.now - 1) if call.now == job.lease_end else call, result_cid)


def release_at_the_end(job: Job, call: Call, reason: Code) -> Outcome:
    """A release is legal in the second in which the claim has lapsed."""
    return RELEASE(job, replace(call, now=call.now - 1) if call.now == job.lease_end else call, reason)


def anyone_submits(job: Job, call: Call, result_cid: str) -> Outcome:
    """The caller of a submission is not checked."""
    return SUBMIT(job, replace(call, caller=job.worker), result_cid)


def submit_again(job: Job, call: Call, result_cid: str) -> Outcome:
    """A result can be replaced by another."""
    again = job.state is JobState.SUBMITTED and call.now < job.review_end
    return SUBMIT(
        replace(job, state=JobState.CLAIMED, lease_end=call.now + 1) if again else job, call, result_cid
    )


def paid_twice(job: Job, others: tuple[Posting, ...] = ()) -> Outcome:
    """The reward and the bond are paid twice."""
    outcome = PAY(job, others)
    return replace(outcome, postings=outcome.postings * 2)


def bond_kept(job: Job, others: tuple[Posting, ...] = ()) -> Outcome:
    """The worker is paid, but does not get the bond back."""
    outcome = PAY(job, others)
    return replace(outcome, postings=outcome.postings[:1])


def cancel_under_claim(job: Job, call: Call) -> Outcome:
    """A live claim does not keep the creator from cancelling."""
    return CANCEL(job, replace(call, now=max(call.now, job.lease_end)))


def late_arbiter(job: Job, call: Call, verdict: Verdict, evidence_cid: str) -> Outcome:
    """The arbiter may decide after the arbitration."""
    return RESOLVE(job, replace(call, now=min(call.now, job.arbitration_end - 1)), verdict, evidence_cid)


def late_dispute(job: Job, call: Call, evidence_cid: str) -> Outcome:
    """A creator may dispute after the review."""
    return DISPUTE(job, replace(call, now=min(call.now, job.review_end - 1)), evidence_cid)


def bond_to_creator(job: Job, amount_fri: int, reason: ledger.Reason) -> tuple[Posting, ...]:
    """Forfeited money goes to the creator."""
    return out_of_escrow(job, job.order.creator, amount_fri, reason)


def dead_end_dispute(job: Job, call: Call) -> Outcome:
    """A silent arbiter leaves the money where it is."""
    if job.state is JobState.DISPUTED:
        raise MoveRefused("NOT_DUE", "Ask the arbiter.")
    return FINALIZE(job, call)


def silence_refunds(job: Job, call: Call) -> Outcome:
    """A silent arbiter refunds the creator."""
    if job.state is JobState.DISPUTED and call.now >= job.arbitration_end:
        judge = replace(call, caller=job.terms.arbiter, now=job.arbitration_end - 1)
        return RESOLVE(job, judge, Verdict.CREATOR, job.result_cid)
    return FINALIZE(job, call)


def cancel_paid(job: Job, call: Call) -> Outcome:
    """A creator can cancel a paid job."""
    again = replace(job, state=JobState.OPEN) if job.state is JobState.PAID else job
    return CANCEL(again, call)


def early_refund(job: Job, call: Call) -> Outcome:
    """The deadline refunds the creator although a worker's lease is still running."""
    if job.state is JobState.CLAIMED and call.now >= job.terms.deadline:
        return CANCEL(job, replace(call, caller=job.order.creator, now=max(call.now, job.lease_end)))
    return FINALIZE(job, call)


def bar_forgotten(job: Job, call: Call, *, barred: bool = False) -> Outcome:
    """An account that released a job may claim it again."""
    return CLAIM(job, call)


def claim_over_claim(job: Job, call: Call, *, barred: bool = False) -> Outcome:
    """A live claim does not keep others from claiming."""
    return CLAIM(replace(job, lease_end=min(job.lease_end, call.now)), call, barred=barred)


def own_job(job: Job, call: Call, *, barred: bool = False) -> Outcome:
    """A creator may claim its own job."""
    order = replace(job.order, creator=NOBODY)
    outcome = CLAIM(replace(job, order=order), call, barred=barred)
    return replace(outcome, job=replace(outcome.job, order=job.order))


def name_forgotten(job: Job, call: Call, *, barred: bool = False) -> Outcome:
    """A job for one worker may be claimed by any other."""
    order = replace(job.order, terms=replace(job.terms, worker=NOBODY))
    outcome = CLAIM(replace(job, order=order), call, barred=barred)
    return replace(outcome, job=replace(outcome.job, order=job.order))


def fee_zero(job: Job, now: int) -> int:
    """A release is free."""
    return 0


def fee_without_time(job: Job, now: int) -> int:
    """A release costs a tenth of the bond, however long the job was held."""
    return -(-job.terms.bond_fri // 10)


def fee_rounded_down(job: Job, now: int) -> int:
    """The fee is rounded down."""
    return max(
        job.terms.bond_fri // 10, job.terms.bond_fri * (now - job.claimed_at) // job.terms.lease_seconds
    )


def lapse_without_loss(job: Job, call: Call) -> Outcome:
    """The bond of a lapsed claim stays where it is."""
    return Outcome(job=job)


def unchecked(amount_fri: int) -> None:
    """Amounts are not bounded."""


def deposit_of_nothing(account: Address, amount_fri: int, *, wallet_fri: int, token_fri: int) -> Transfer:
    """The wallet is not checked."""
    return DEPOSIT(account, amount_fri, wallet_fri=amount_fri, token_fri=token_fri)


def lapse_costs_twice(job: Job, call: Call) -> Outcome:
    """A lapsed claimant pays the bond a second time, out of its credit."""
    outcome = LAPSE(job, call)
    if not outcome.postings:
        return outcome
    more = into_escrow(job, job.worker, job.terms.bond_fri, ledger.Reason.FORFEIT)
    return replace(outcome, postings=(*more, *outcome.postings * 2))


def kept_before_refused(shared: Shared, outcome: Outcome) -> None:
    """A release is refused after the claimant was barred."""
    shared.bars.update((outcome.job.id, address) for address in outcome.barred)
    if outcome.barred:
        raise MoveRefused("OVERFLOW", "Too late.")
    APPLY(shared, outcome)


BUGS: tuple[tuple[object, str, Callable[..., object], Check | str], ...] = (
    (guards, "runs", runs_one_second_longer, invariants.check_i6_no_cancel_under_a_live_claim),
    (guards, "runs", runs_one_second_longer, invariants.check_i9_times_are_half_open),
    (escrow, "submit_result", submit_at_the_end, invariants.check_i9_times_are_half_open),
    (escrow, "release", release_at_the_end, invariants.check_i9_times_are_half_open),
    (escrow, "submit_result", anyone_submits, invariants.check_i4_one_live_claimant),
    (escrow, "submit_result", submit_again, invariants.check_i4_one_live_claimant),
    (escrow, "pay", paid_twice, invariants.check_i1_money_is_conserved),
    (escrow, "pay", paid_twice, invariants.check_i2_escrow_is_what_was_paid_in),
    (escrow, "pay", paid_twice, invariants.check_i3_ends_absorb),
    (escrow, "pay", bond_kept, invariants.check_i2_escrow_is_what_was_paid_in),
    (escrow, "cancel_job", cancel_under_claim, invariants.check_i6_no_cancel_under_a_live_claim),
    (escrow, "cancel_job", cancel_paid, invariants.check_i3_ends_absorb),
    (escrow, "resolve_dispute", late_arbiter, invariants.check_i9_times_are_half_open),
    (escrow, "resolve_dispute", late_arbiter, invariants.check_i10_refunds_by_the_arbiter_only),
    (escrow, "dispute_result", late_dispute, invariants.check_i9_times_are_half_open),
    (escrow, "burn", bond_to_creator, invariants.check_i8_creators_never_gain),
    (escrow, "finalize", dead_end_dispute, invariants.check_i5_anyone_can_end_it),
    (escrow, "finalize", silence_refunds, invariants.check_i5_anyone_can_end_it),
    (escrow, "finalize", silence_refunds, invariants.check_i10_refunds_by_the_arbiter_only),
    (escrow, "finalize", early_refund, invariants.check_i9_times_are_half_open),
    (escrow, "claim", bar_forgotten, invariants.check_i9_times_are_half_open),
    (escrow, "claim", claim_over_claim, invariants.check_i4_one_live_claimant),
    (escrow, "claim", own_job, invariants.check_i9_times_are_half_open),
    (escrow, "claim", name_forgotten, invariants.check_i9_times_are_half_open),
    (escrow, "release_fee_fri", fee_zero, invariants.check_release_costs),
    (escrow, "release_fee_fri", fee_without_time, invariants.check_release_costs),
    (escrow, "release_fee_fri", fee_rounded_down, invariants.check_release_costs),
    (escrow, "_lapse", lapse_without_loss, invariants.check_i2_escrow_is_what_was_paid_in),
    (escrow, "_lapse", lapse_costs_twice, invariants.check_i7_losses_are_bounded),
    (ledger, "require_bounded", unchecked, invariants.check_i1_money_is_conserved),
    (ledger, "deposit", deposit_of_nothing, invariants.check_i1_money_is_conserved),
    (Shared, "apply", kept_before_refused, "I11"),
)


@pytest.mark.parametrize(
    ("where", "name", "bug", "check"),
    BUGS,
    ids=[f"{bug.__name__}-{getattr(check, '__name__', check)}" for _, _, bug, check in BUGS],
)
def test_a_planted_bug_is_found(
    monkeypatch: pytest.MonkeyPatch,
    where: object,
    name: str,
    bug: Callable[..., object],
    check: Check | str,
) -> None:
    """The expected check alone fails, within stories that the correct rules pass."""
    monkeypatch.setattr(where, name, bug)
    checks = () if isinstance(check, str) else (check,)
    with pytest.raises(AssertionError, match=r"^(I\d+|fee): "):
        play(150, checks)
