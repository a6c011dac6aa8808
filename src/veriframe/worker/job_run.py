"""One job being worked on: its place, its opened scene, and what the registry last showed of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager

from veriframe.assets import Asset
from veriframe.errors import JobLost
from veriframe.model.attempt.attempt import Attempt
from veriframe.model.bundle.chunks import parts
from veriframe.model.registry.job import Job
from veriframe.ports.renderer import RenderSession
from veriframe.worker.context import WorkerContext
from veriframe.worker.reconciliation import RENUMBERED, is_same
from veriframe.worker.shared.kept_sessions import OpenedSession
from veriframe.worker.shared.lanes import Place

FRESH_SECONDS = 5.0
"""A view of the registry this old still serves a step that changes nothing there."""


class JobRun:
    """One job at work, from a start or restart of its pipeline until it ends or waits for a retry."""

    def __init__(self, context: WorkerContext, place: Place) -> None:
        self.context, self.place = context, place
        self._session: RenderSession | None = None
        self._is_kept = False
        self._opened = AsyncExitStack()
        self._claiming = ExitStack()
        self._seen: tuple[Job, int] | None = None
        self._read_at = 0.0

    async def read(self, attempt: Attempt, *, max_age_seconds: float = 0.0) -> tuple[Job, int]:
        """Returns the job as the registry shows it, and the time to judge it by, in chain seconds.

        Raises `JobLost` if it is gone, `RegistryUnavailable`.
        """
        age = self.context.monotonic() - self._read_at
        if self._seen is None or age >= max_age_seconds:
            self._seen = await current_job(attempt, self.context)
            self._read_at, age = self.context.monotonic(), 0.0
        job, now = self._seen
        return job, now + int(age)

    async def open_session(self, asset: Asset) -> RenderSession:
        """Returns the opened scene; opens it if it is not, or if its process has died while it waited.

        One that an earlier job of the same asset has left open is taken first.
        """
        if self._session is not None and self._session.is_over:
            await self.close_session()
        if self._session is None and (kept := await self.context.kept.take(asset.cid)) is not None:
            self._session, self._opened = kept.session, kept.opened
        if self._session is None:
            opening = self.context.renderer.open(asset.scene, asset.folder)
            self._session = await self._opened.enter_async_context(opening)
        return self._session

    def pass_on(self, asset: Asset) -> None:
        """Leaves the opened scene to the next job of the same bundle, if it has others."""
        session = self._session
        if session is None or session.is_over or asset.bundle is None or parts(asset.bundle) == 1:
            return
        self._stop_waiting()
        self.context.kept.put(OpenedSession(asset.cid, session, self._opened))
        self._session, self._opened = None, AsyncExitStack()

    def begin_claim(self, job_id: int) -> None:
        """Counts a claim as under way until `end_claim`: an orderly stop waits until it is noted."""
        self._stop_waiting()
        self._claiming.enter_context(self.context.claims.one(job_id))

    def end_claim(self) -> None:
        """Its claim, if there was one, is in the journal, or was not made."""
        self._claiming.close()

    async def keep_session(self) -> None:
        """Leaves an inspected scene open until its turn if it is small and few others are, or closes it."""
        scenes, lanes = self.context.scenes, self.context.lanes
        if self._session is None or self._is_kept:
            return
        if scenes.opened < lanes.capacity and await self._session.may_wait():
            scenes.opened, self._is_kept = scenes.opened + 1, True
            # The next inspection begins only when its scene can stay open, too: none is opened twice.
            self.place.is_held = scenes.opened >= lanes.capacity
        else:
            await self.close_session()

    async def close_session(self) -> None:
        """Ends the process with the opened scene, if there is one."""
        self._stop_waiting()
        self._session, opened, self._opened = None, self._opened, AsyncExitStack()
        await opened.aclose()

    def _stop_waiting(self) -> None:
        """The scene no longer waits for its turn."""
        self.context.scenes.opened -= self._is_kept
        self._is_kept = False


@asynccontextmanager
async def started(attempt: Attempt, context: WorkerContext) -> AsyncIterator[JobRun]:
    """Gives a job its run; at the end its place is free and its scene closed."""
    async with context.lanes.place(attempt.job_id, context.listener.on_wait) as place:
        run = JobRun(context, place)
        try:
            yield run
        finally:
            run.end_claim()
            await run.close_session()


async def current_job(attempt: Attempt, context: WorkerContext) -> tuple[Job, int]:
    """Returns the job as the registry shows it, and the time to judge it by, in chain seconds."""
    seen = await context.registry.snapshot(attempt.job_id, 1)
    for job in seen.jobs:
        if not is_same(attempt, job):
            raise JobLost(RENUMBERED)
        return job, seen.head.time
    raise JobLost("The registry no longer knows the job.")
