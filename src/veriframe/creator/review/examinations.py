"""The examinations under way: several at once, so that a slow delivery does not hold up other workers'."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import structlog

from veriframe.creator.review.values import Examined, Examiner, Late
from veriframe.errors import OutputGone, SettingsError, Unavailable, VeriFrameError
from veriframe.model.registry.job import Address, Job
from veriframe.model.verification.findings import Conclusion
from veriframe.retry import end

log = structlog.get_logger()

MOST_AT_ONCE = 4
"""Each may hold a decoded frame in memory while it waits."""

Result = tuple[int, str]
"""A job and its result."""


@dataclass(frozen=True, slots=True)
class _UnderWay:
    worker: Address
    task: asyncio.Task[Examined]


@dataclass(slots=True, kw_only=True)
class Examinations:
    """Examines results, of each worker one at a time: together they would share a line, and come late.

    `on_end` is called whenever one has ended.
    """

    examiner: Examiner
    on_end: Callable[[], None]
    _under_way: dict[Result, _UnderWay] = field(default_factory=dict)

    @property
    def is_idle(self) -> bool:
        """Whether none is under way."""
        return not self._under_way

    def holds(self, job: Job) -> bool:
        """Whether this result is being examined, or was, and nobody has taken what was found."""
        return result_of(job) in self._under_way

    def has_room_for(self, job: Job) -> bool:
        """Whether this result may be examined now."""
        workers = [one.worker for one in self._under_way.values()]
        return len(workers) < MOST_AT_ONCE and job.worker not in workers

    def begin(self, job: Job, late: Late) -> None:
        """Examine a result, for which there is room. `late` says how long late deliveries are waited for."""
        task = asyncio.create_task(_examined(self.examiner, job, late))
        task.add_done_callback(lambda _: self.on_end())
        self._under_way[result_of(job)] = _UnderWay(job.worker, task)

    def take(self, job: Job) -> Examined | None:
        """What was found of a result; None if that is not known yet. Raises what its examination raised."""
        if not self._under_way[result_of(job)].task.done():
            return None
        return self._under_way.pop(result_of(job)).task.result()

    async def keep(self, jobs: Iterable[Job]) -> None:
        """End all examinations but those of these jobs' results."""
        kept = {result_of(job) for job in jobs}
        ended = [self._under_way.pop(result) for result in [*self._under_way] if result not in kept]
        await end(one.task for one in ended)


def result_of(job: Job) -> Result:
    """What is examined of a job: another result of it is another matter."""
    return job.id, job.result_cid


async def _examined(examiner: Examiner, job: Job, late: Late) -> Examined:
    """What a verification says; UNDECIDED without a report if it failed.

    Raises `Unavailable`, `SettingsError` and `OutputGone`, which are no matter of the result.
    """
    try:
        return await examiner.examine(job, late)
    except (Unavailable, SettingsError, OutputGone):
        raise
    except VeriFrameError as error:
        return Examined(conclusion=Conclusion.UNDECIDED, why=str(error), report=b"")
    except Exception:
        log.exception("verification_failed", job_id=job.id)
        why = "The verification failed by an error of this program; the log has it."
        return Examined(conclusion=Conclusion.UNDECIDED, why=why, report=b"")
