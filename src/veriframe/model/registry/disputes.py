"""The disputes that an account is to decide."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from veriframe.model.registry.job import NOBODY, Address, Job, JobState


def disputes_of(jobs: Iterable[Job], arbiter: Address) -> Sequence[Job]:
    """The disputed jobs that name `arbiter`, the most urgent first: by the end of arbitration, then by id.

    None for `NOBODY`: without an arbiter there is no dispute.
    """
    named = (job for job in jobs if job.terms.arbiter == arbiter != NOBODY)
    return sorted(
        (job for job in named if job.state is JobState.DISPUTED),
        key=lambda job: (job.arbitration_end, job.id),
    )
