"""A worker on fakes whose frames come one by one, when a test lets them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.fakes.bench import Bench, GatedRenderer, stages, until
from tests.fakes.renderer import FakeSession

from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.rendering.frames import Frame, RenderTask
from veriframe.worker.listener import Listener
from veriframe.worker.service import Service


class SteppedRenderer(GatedRenderer):
    """Renders a frame for each of `permits`; a job in `own` has permits of its own.

    `renders` lists the session, job and frames of each render.
    """

    def __init__(self) -> None:
        super().__init__()
        self.permits = asyncio.Semaphore(0)
        self.own: dict[int, asyncio.Semaphore] = {}
        self.renders: list[tuple[int, int, tuple[int, ...]]] = []

    @property
    def jobs(self) -> list[int]:
        """The jobs whose renders have begun, in order."""
        return [job_id for _, job_id, _ in self.renders]

    def let(self, frames: int = 1) -> None:
        """Lets so many more frames arrive."""
        for _ in range(frames):
            self.permits.release()

    def session(self, scene: Path) -> FakeSession:
        """A session that waits before each frame."""
        return SteppedSession(self, scene)


class SteppedSession(FakeSession):
    """Renders as the fake does, but hands a frame over only with a permit."""

    def __init__(self, renderer: SteppedRenderer, scene: Path) -> None:
        super().__init__(renderer, scene)
        self._stepped = renderer

    async def frames(self, task: RenderTask, out: Path, **how: Any) -> AsyncIterator[Frame]:
        """Renders."""
        # The folder is JOB_ID/out/new.
        job_id = int(out.parents[1].name)
        self._stepped.renders.append((id(self), job_id, task.frames))
        async for frame in super().frames(task, out, **how):
            await self._stepped.own.get(job_id, self._stepped.permits).acquire()
            yield frame


class ClaimCounter(Listener):
    """Notes the order of claims, and the most that are claimed and not rendered at a time."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.most = 0
        self.claimed: list[int] = []

    def on_stage(self, before: Attempt, after: Attempt) -> None:
        """Counts."""
        self.most = max(
            self.most, [a.stage for a in self._bench.journal.by_job.values()].count(Stage.CLAIMED)
        )
        if after.stage is Stage.CLAIMED:
            self.claimed.append(after.job_id)


def stepped(bench: Bench) -> SteppedRenderer:
    """Its renderer."""
    assert isinstance(bench.renderer, SteppedRenderer)
    return bench.renderer


@asynccontextmanager
async def at_work(service: Service) -> AsyncIterator[asyncio.Task[bool]]:
    """A worker at work, which is stopped at once at the end unless it has ended."""
    working = asyncio.create_task(service.run())
    try:
        yield working
    finally:
        working.cancel()
        await asyncio.wait([working])


async def reach(bench: Bench, *wanted: Stage) -> None:
    """Waits until the jobs, in any order, are at these stages, and sees that they stay there."""
    await until(lambda: Counter(stages(bench)) == Counter(wanted))
    await asyncio.sleep(0.02)
    assert Counter(stages(bench)) == Counter(wanted)


class OnClaim(Listener):
    """Calls something with each job that is claimed."""

    def __init__(self, call: Callable[[int], object]) -> None:
        self._call = call

    def on_stage(self, before: Attempt, after: Attempt) -> None:
        """Calls it."""
        if after.stage is Stage.CLAIMED:
            self._call(after.job_id)


def told_waits(bench: Bench) -> list[tuple[int, str]]:
    """What its jobs are told to wait for, from now on."""
    told = list[tuple[int, str]]()

    class Waits(Listener):
        def on_wait(self, job_id: int, what: str) -> None:
            told.append((job_id, what))

    bench.context.listener.add(Waits())
    return told
