"""What became of a dispute, for whoever shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from veriframe.model.registry.job import Verdict
from veriframe.model.registry.job_status import JobStatus


class OutcomeKind(StrEnum):
    """What became of a dispute. Stable."""

    RESOLVED = "RESOLVED"
    """The verdict was sent, and the job is over."""
    JUDGED = "JUDGED"
    """A dry run: a verdict was found, and nothing was sent."""
    UNDECIDED = "UNDECIDED"
    """It cannot be decided here."""
    REFUSED = "REFUSED"
    """The registry refused the verdict."""
    OVER = "OVER"
    """The arbitration ended, or the job was decided by other means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a dispute. `after` is the job's status after a verdict, `report_cid` its report's."""

    kind: OutcomeKind
    status: JobStatus
    verdict: Verdict | None = None
    reason: str = ""
    report_cid: str = ""
    after: JobStatus | None = None


OnOutcome = Callable[[Outcome], None]
"""Called with each outcome, once it is durable."""
