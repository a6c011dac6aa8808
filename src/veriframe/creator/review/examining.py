"""Verifies one result: whatever is wrong with it must not keep others from being verified."""

from __future__ import annotations

import structlog

from veriframe.creator.review.values import Examined, Examiner
from veriframe.errors import OutputGone, SettingsError, Unavailable, VeriFrameError
from veriframe.model.registry.job import Job
from veriframe.model.verification.findings import Conclusion

log = structlog.get_logger()


async def examined(examiner: Examiner, job: Job, late_seconds: float) -> Examined:
    """What a verification says; UNDECIDED without a report if it failed.

    Raises `Unavailable`, `SettingsError` and `OutputGone`, which are no matter of the result.
    """
    try:
        return await examiner.examine(job, late_seconds)
    except (Unavailable, SettingsError, OutputGone):
        raise
    except VeriFrameError as error:
        return Examined(conclusion=Conclusion.UNDECIDED, why=str(error), report=b"")
    except Exception:
        log.exception("verification_failed", job_id=job.id)
        why = "The verification failed by an error of this program; the log has it."
        return Examined(conclusion=Conclusion.UNDECIDED, why=why, report=b"")
