"""Where our attempt stands, seen against the registry, and what it lost. Where the two differ, it wins."""

from __future__ import annotations

from dataclasses import replace

from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.registry import escrow
from veriframe.model.registry.job import Address, Job, JobState

_PAST_SUBMISSION = frozenset((Stage.SUBMITTED, Stage.PAID, Stage.REFUNDED))


def stage_by_registry(attempt: Attempt, job: Job, account: Address, now: int) -> Stage:
    """The stage that the attempt has in truth at `now` (chain seconds); its own where both agree.

    The journal may be behind (killed between a move and its note, or restored from a backup) or ahead (the
    registry was). Pay is not noted here: what the registry shows as handed in is SUBMITTED to us, and whoever
    watches for pay finds it.
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
        # The picture is stored and pinned: it is handed in again.
        return Stage.STORED
    # A release that the registry has not seen is made again; all else is claimed and yet to be rendered.
    return Stage.FAILED if stage is Stage.RELEASED else Stage.CLAIMED


def _without_us(attempt: Attempt, job: Job, now: int) -> Stage:
    stage = attempt.stage
    if stage.is_end:
        return stage
    if stage is Stage.FAILED and job.state is JobState.OPEN:
        # Our release was made and not yet noted: nobody else can open a job while our lease runs.
        return Stage.RELEASED
    unclaimed = not stage.holds_claim and stage is not Stage.SUBMITTED
    if not unclaimed and job.state is JobState.OPEN and job.is_open(now):
        # A reorganisation undid our claim, and what followed: it is made again from what we have.
        return Stage.STORED if stage is Stage.SUBMITTED else stage
    return stage if unclaimed and job.is_open(now) else Stage.LOST


def is_lost(attempt: Attempt, job: Job, account: Address, now: int) -> bool:
    """Whether the registry shows at `now` that a claim of ours is lost, so that work on it can end.

    What a node shows that lags is not taken for a loss: the job open, or under another's lapsed claim.
    """
    lags = job.state is JobState.OPEN or (job.worker != account and job.is_lapsed(now))
    is_claimed = attempt.stage.holds_claim and not lags
    return is_claimed and stage_by_registry(attempt, job, account, now) is Stage.LOST


def burned_fri(attempt: Attempt, job: Job, account: Address, now: int) -> int:
    """What of the bond is gone where a claim of ours does not stand any more: all of it, or nothing.

    A claim that lapsed is burned. One that a reorganisation took back is not: then the job is open, or
    another had it long before our lease was over. Times of the attempt are Unix seconds, as the chain's are.
    """
    claimed_at = attempt.reached.get(Stage.CLAIMED)
    if claimed_at is None:
        return 0
    if job.state is JobState.OPEN:
        # Within our lease a reorganisation opened it. After it, another claimed it and gave it back.
        return job.terms.bond_fri if now >= claimed_at + job.terms.lease_seconds else 0
    if job.worker == account:
        return job.terms.bond_fri if job.is_lapsed(now) else 0
    # The next one claims after our lease. Half of it, since these times are of two clocks.
    half_over = claimed_at + job.terms.lease_seconds / 2
    return job.terms.bond_fri if (job.claimed_at or now) >= half_over else 0


def released_fri(attempt: Attempt, job: Job, now: int, at: float) -> int:
    """What a release of ours cost that the registry has made and we have not noted.

    The job tells nothing of it any more. `at` is the attempt's time, Unix seconds: the claim was held at most
    until then.
    """
    claimed_at = attempt.reached.get(Stage.CLAIMED, at)
    held = min(max(0, int(at - claimed_at)), job.terms.lease_seconds)
    return escrow.release_fee_fri(replace(job, claimed_at=now - held), now)
