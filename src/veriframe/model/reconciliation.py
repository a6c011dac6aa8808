"""Where our attempt stands after a restart, seen against the registry. Where the two differ, it wins."""

from __future__ import annotations

from veriframe.model.attempt import Attempt, Stage
from veriframe.model.job import Address, Job, JobState

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
