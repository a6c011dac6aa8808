"""What the creator of a verified job may do next."""

from __future__ import annotations

from pathlib import Path

from veriframe.model.quantities import format_span
from veriframe.model.registry.job import NOBODY, Address, JobState
from veriframe.model.registry.job_status import JobStatus
from veriframe.model.verification.findings import RIGHT, Conclusion


def advice(status: JobStatus, conclusion: Conclusion, account: Address, report: Path | None) -> str:
    """One or two sentences for the creator while the result is under review; empty for everybody else.

    `report` is the JSON file that was written, None without one.
    """
    job, left = status.job, status.job.review_end - status.now
    if job.state is not JobState.SUBMITTED or job.order.creator != account or left <= 0:
        return ""
    if conclusion in RIGHT:
        return f"Pay for it: veriframe job accept {job.id}"
    paid = f"Otherwise its worker is paid in {format_span(left)}."
    if job.terms.arbiter == NOBODY:
        return (
            f"It names no arbiter, so that it cannot be disputed: its worker is paid in {format_span(left)}."
        )
    if conclusion is Conclusion.UNDECIDED:
        return f"Look at it yourself, and accept or dispute it. {paid}"
    if report is None:
        return (
            f"Dispute it: veriframe job dispute {job.id}. `veriframe verify {job.id} -o DIR` writes a report"
            f" that it may pass as --evidence. {paid}"
        )
    return f"Dispute it: veriframe job dispute {job.id} --evidence {report}. {paid}"
