"""Reconciles an attempt with the registry: its true stage, and what it lost. The registry wins."""

from __future__ import annotations

from dataclasses import replace

from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.registry import escrow
from veriframe.model.registry.job import Address, Job, JobState

_PAST_SUBMISSION = frozenset((Stage.SUBMITTED, Stage.PAID, Stage.REFUNDED))


def stage_by_registry(attempt: Attempt, job: Job, account: Address, now: int) -> Stage:
    """The attempt's true stage at `now` (chain seconds); its own stage if both agree.

    The journal may be behind (the process was killed between a move and its entry, or the journal was
    restored from a backup) or ahead (the registry was restored). This function never returns PAID: a
    submitted job stays SUBMITTED, and the watch for payments finds the rest.
    """
    if job.worker == account and job.state is JobState.CLAIMED and not job.is_lapsed(now):
        return _with_our_claim(attempt)
    if job.worker == account and job.result_cid and job.state is not JobState.CLAIMED:
        return attempt.stage if attempt.stage in _PAST_SUBMISSION else Stage.SUBMITTED
    return _without_us(attempt, job, now)


def _with_our_claim(attempt: Attempt) -> Stage:
    stage = attempt.stage
    if stage.holds_claim:
        return stage
    if stage is Stage.SUBMITTED:
        # The picture is stored and pinned: submit it again.
        return Stage.STORED
    # Repeat a release that the registry has not seen; anything else is claimed and not yet rendered.
    return Stage.FAILED if stage is Stage.RELEASED else Stage.CLAIMED


def _without_us(attempt: Attempt, job: Job, now: int) -> Stage:
    stage = attempt.stage
    if stage.is_end:
        return stage
    if stage is Stage.FAILED and job.state is JobState.OPEN:
        # Our release was made but not journalled: no one else can open a job while our lease runs.
        return Stage.RELEASED
    unclaimed = not stage.holds_claim and stage is not Stage.SUBMITTED
    if not unclaimed and job.state is JobState.OPEN and job.is_open(now):
        # A reorganisation undid our claim and what followed: make it again from what we have.
        return Stage.STORED if stage is Stage.SUBMITTED else stage
    return stage if unclaimed and job.is_open(now) else Stage.LOST


def is_lost(attempt: Attempt, job: Job, account: Address, now: int) -> bool:
    """Whether the registry shows at `now` that our claim is lost, so that work on it can end.

    The view of a lagging node is not a loss: an open job, or another worker's lapsed claim.
    """
    lags = job.state is JobState.OPEN or (job.worker != account and job.is_lapsed(now))
    is_claimed = attempt.stage.holds_claim and not lags
    return is_claimed and stage_by_registry(attempt, job, account, now) is Stage.LOST


def burned_fri(attempt: Attempt, job: Job, account: Address, now: int) -> int:
    """The burned part of the bond after our claim is gone: all of it, or nothing.

    The bond of a lapsed claim is burned. That of a claim undone by a reorganisation is not: then the job is
    open, or another worker claimed it long before our lease ended. All times are in Unix seconds.
    """
    claimed_at = attempt.reached.get(Stage.CLAIMED)
    if claimed_at is None:
        return 0
    if job.state is JobState.OPEN:
        # Within our lease, a reorganisation opened it. Later, another worker claimed and released it.
        return job.terms.bond_fri if now >= claimed_at + job.terms.lease_seconds else 0
    if job.worker == account:
        return job.terms.bond_fri if job.is_lapsed(now) else 0
    # The next worker claims after our lease. Half of it is enough, because these are two clocks.
    half_over = claimed_at + job.terms.lease_seconds / 2
    return job.terms.bond_fri if (job.claimed_at or now) >= half_over else 0


def released_fri(attempt: Attempt, job: Job, now: int, at: float) -> int:
    """The cost of a release that the registry has made but our journal does not have.

    The job no longer shows it. `at` is the attempt's time in Unix seconds: the claim was held until then at
    most.
    """
    claimed_at = attempt.reached.get(Stage.CLAIMED, at)
    held = min(max(0, int(at - claimed_at)), job.terms.lease_seconds)
    return escrow.release_fee_fri(replace(job, claimed_at=now - held), now)
