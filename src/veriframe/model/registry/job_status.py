"""The status of a job at one moment: its current time limit, and whether it may be disputed."""

from __future__ import annotations

from dataclasses import dataclass

from veriframe.model.registry.job import NOBODY, Job, JobState
from veriframe.model.registry.ledger import TIME_MAX


@dataclass(frozen=True, slots=True)
class JobStatus:
    """A job at `now`, the registry's time in chain seconds.

    `is_foreign`: its registry is of another maker. Then there is no bond, lease, review or arbiter; the job's
    values for them mean nothing.
    """

    job: Job
    now: int
    is_foreign: bool = False

    @property
    def waits_for(self) -> tuple[str, int] | None:
        """The name of the current time limit and its end, or None if no limit is running.

        "deadline" for an open or lapsed job, "lease", "review" or "arbitration".
        """
        job = self.job
        state = JobState.OPEN if job.is_lapsed(self.now) else job.state
        limit = {
            JobState.OPEN: ("deadline", job.terms.deadline),
            JobState.CLAIMED: ("lease", job.lease_end),
            JobState.SUBMITTED: ("review", job.review_end),
            JobState.DISPUTED: ("arbitration", job.arbitration_end),
        }.get(state)
        return limit if limit is not None and self.now < limit[1] < TIME_MAX else None

    @property
    def since(self) -> int | None:
        """Since when the job waits for what it waits for now, in chain seconds.

        For an open job since its posting: the job does not tell when a claim was released. None if it is
        final, or if its registry is of another maker, which does not tell.
        """
        job, terms = self.job, self.job.terms
        if self.is_foreign:
            return None
        return {
            JobState.OPEN: job.order.created_at,
            JobState.CLAIMED: job.lease_end if job.is_lapsed(self.now) else job.claimed_at,
            JobState.SUBMITTED: job.review_end - terms.review_seconds,
            JobState.DISPUTED: job.arbitration_end - terms.arbitration_seconds,
        }.get(job.state)

    @property
    def may_be_disputed(self) -> bool:
        """Whether state, time and terms allow a dispute now."""
        job = self.job
        submitted = job.state is JobState.SUBMITTED and self.now < job.review_end
        return submitted and job.terms.arbiter != NOBODY
