"""Where our attempt stands after a restart, seen against the registry. Where the two differ, it wins."""

from __future__ import annotations

from veriframe.model.attempt import Attempt, Stage
from veriframe.model.job import Address, Job, JobState

_BEFORE_CLAIM = frozenset((Stage.SEEN, Stage.FETCHED, Stage.CHECKED))


def stage_by_registry(attempt: Attempt, job: Job, account: Address, now: int) -> Stage:
    """The stage that the attempt has in truth at `now` (chain seconds); its own where both agree.

    A job that the registry shows as handed in by us counts as SUBMITTED whatever the journal says, as after
    a journal was restored from a backup; its pay is noted by whoever watches for it.
    """
    ours = job.worker == account
    if ours and job.result_cid and job.state is not JobState.CLAIMED:
        return attempt.stage if attempt.stage.is_end else Stage.SUBMITTED
    if attempt.stage in _BEFORE_CLAIM:
        return _before_claim(attempt, job, ours=ours, now=now)
    if attempt.stage.holds_claim:
        return _under_lease(attempt, job, ours=ours, now=now)
    # A submission that the registry does not know of (any more): it is not ours to repeat from nothing.
    return Stage.LOST if attempt.stage is Stage.SUBMITTED else attempt.stage


def _before_claim(attempt: Attempt, job: Job, *, ours: bool, now: int) -> Stage:
    # Claimed by us and not lapsed: the claim was sent and not yet noted; the steps come to it again.
    claimed = ours and job.state is JobState.CLAIMED and not job.is_lapsed(now)
    return attempt.stage if claimed or job.is_open(now) else Stage.LOST


def _under_lease(attempt: Attempt, job: Job, *, ours: bool, now: int) -> Stage:
    if ours and job.state is JobState.CLAIMED and not job.is_lapsed(now):
        return attempt.stage
    # Our own release was sent and not yet noted: nobody else can have opened it while our lease ran.
    given_back = attempt.stage is Stage.FAILED and job.state is JobState.OPEN
    return Stage.RELEASED if given_back else Stage.LOST
