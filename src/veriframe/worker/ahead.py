"""How many jobs may be ahead of the renderers: fetched, inspected, ready to be claimed, or claimed."""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence

from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.worker.context import WorkerContext
from veriframe.worker.shared.lanes import Lane

JOBS_AHEAD = 4
"""The most of them, beyond as many as may render at once."""

JOBS_AHEAD_WITHOUT_CLAIMS = 1
"""The same where others may do a job meanwhile: what is chosen late is rarely done twice."""

_BEFORE_A_CLAIM = (Stage.SEEN, Stage.FETCHED, Stage.CHECKED)


def claimed_ahead(context: WorkerContext) -> Collection[int]:
    """Returns the jobs that are claimed, or about to be, and wait for a renderer."""
    claimed = {a.job_id for a in context.attempts.live() if a.stage is Stage.CLAIMED}
    return (claimed | set(context.lanes.following)) - set(context.lanes.rendering)


class Ahead:
    """The jobs under way that have no renderer yet."""

    def __init__(self, context: WorkerContext, running: Container[int]) -> None:
        """`running` are the jobs that are worked on; it changes."""
        self._context, self._running = context, running

    @property
    def jobs(self) -> int:
        """How many there are."""
        live, claimed = self._context.attempts.live(), claimed_ahead(self._context)
        ahead = (a for a in live if a.stage in _BEFORE_A_CLAIM or a.job_id in claimed)
        return sum(a.job_id in self._running for a in ahead)

    def waiting(self) -> Sequence[Attempt]:
        """The attempts that nobody works on, those with a lease first, by its end."""
        live = self._context.attempts.live()
        waiting = [a for a in live if a.stage is not Stage.SUBMITTED and a.job_id not in self._running]
        return sorted(waiting, key=lambda a: (0, a.due_at) if a.stage.holds_claim else (1, 0))

    @property
    def has_place(self) -> bool:
        """Whether one more job may go ahead, beside those whose scenes do not arrive."""
        scenes, lanes = self._context.scenes, self._context.lanes
        ahead = JOBS_AHEAD if self._context.registry.has_claims else JOBS_AHEAD_WITHOUT_CLAIMS
        most = 1 if scenes.are_too_large else lanes.capacity + ahead
        return self.jobs - scenes.silent < most and not self.is_crowded

    @property
    def is_crowded(self) -> bool:
        """Whether one more fetch has no place, or no room beside what stopped arriving."""
        scenes, workspace = self._context.scenes, self._context.workspace
        return self._context.lanes.is_full(Lane.FETCH) or scenes.arriving_bytes > workspace.limit_bytes
