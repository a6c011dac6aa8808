"""A test program: the real `veriframe` command line with a fake Blender, which may kill the process.

    python worker_on_fakes.py PLAN [the command line of veriframe …]

PLAN is a JSON object: `die` is null or a stage; `noted` says whether the journal has recorded that stage when
the process dies by SIGKILL, or only its outside effect exists; `behind` is how many jobs reach the stage
before, 0 by default; `seconds` is the duration of a render. Each finished render appends a line `JOB_ID` to
`HOME/renders`, next to the registry.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests.fakes.renderer import FakeRenderer, FakeSession, Script

from veriframe.cli.app import main
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.rendering.frames import Frame, RenderTask
from veriframe.settings import Settings
from veriframe.wiring import renderers, workers
from veriframe.worker.context import WorkerContext


class CountingRenderer(FakeRenderer):
    """Records each finished render in a file that several workers may share."""

    def __init__(self, notes: Path, seconds: float, capacity: int) -> None:
        super().__init__(capacity=capacity)
        self.scripts[b""] = Script(seconds=seconds)
        self._notes = notes

    def session(self, scene: Path) -> FakeSession:
        """A session that records."""
        return CountingSession(self, scene)

    def note(self, job_id: str) -> None:
        """Record a finished render."""
        descriptor = os.open(self._notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, f"{job_id}\n".encode())
        os.close(descriptor)


class CountingSession(FakeSession):
    """Renders like the fake, and records each job whose frames are all taken."""

    def __init__(self, renderer: CountingRenderer, scene: Path) -> None:
        super().__init__(renderer, scene)
        self._counting = renderer

    async def frames(self, task: RenderTask, out: Path, **how: Any) -> AsyncIterator[Frame]:
        """Render like the fake."""
        async for frame in super().frames(task, out, **how):
            yield frame
        # The folder is JOB_ID/out/new.
        self._counting.note(out.parents[1].name)


def die_at(stage: Stage, context: WorkerContext, *, noted: bool, behind: int) -> None:
    """Kill this process just after, or just before, the journal records a stage."""
    journal, jobs = context.journal, set[int]()

    async def deadly(note: Callable[..., Awaitable[Any]], *arguments: Attempt) -> Any:
        if arguments[-1].stage is stage:
            jobs.add(arguments[-1].job_id)
        if len(jobs) <= behind:
            return await note(*arguments)
        if noted:
            await note(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)
        return None

    journal.start = partial(deadly, journal.start)  # type: ignore[method-assign]
    journal.record = partial(deadly, journal.record)  # type: ignore[method-assign]


def run(plan: dict[str, Any], arguments: list[str]) -> None:
    """Install the fakes and run the command line."""
    make_parts = workers.build_context

    async def renderer(settings: Settings) -> CountingRenderer:
        return CountingRenderer(settings.home / "renders", plan.get("seconds", 0.0), settings.slots)

    def context(*arguments: Any) -> WorkerContext:
        made = make_parts(*arguments)
        if plan.get("die"):
            die_at(Stage(plan["die"]), made, noted=plan["noted"], behind=plan.get("behind", 0))
        return made

    renderers.build_renderer = renderer  # type: ignore[assignment]
    workers.build_context = context  # type: ignore[assignment]
    main(arguments)


if __name__ == "__main__":
    run(json.loads(sys.argv[1]), sys.argv[2:])
