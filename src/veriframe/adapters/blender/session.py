"""A session: one Blender in one sandbox, which is given one scene and then told what to render."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import structlog

from veriframe.adapters.blender import outcome, outputs, reports, request, scripts
from veriframe.adapters.blender.phases import Phases
from veriframe.adapters.blender.runtimes import Runtime
from veriframe.adapters.blender.sandbox import visible
from veriframe.adapters.blender.sandbox.limits import host_errors
from veriframe.adapters.blender.sandbox.run import OUT, LiveRun, RunExit, Sandbox
from veriframe.errors import Code, HostUnavailable, JobRejected, RenderFailed
from veriframe.model.rendering.checks import parse_inspection
from veriframe.model.rendering.frames import Frame, Progress, RenderLimits, RenderTask
from veriframe.model.rendering.scene import SceneInspection
from veriframe.model.text import printable
from veriframe.ports.renderer import RenderSession
from veriframe.threads import run_uninterrupted, wait_for_end

log = structlog.get_logger()

T = TypeVar("T")


class BlenderSession(RenderSession):
    """A live run of `session.py`. All processes are frozen while it waits for a command.

    A phase (loading, or one frame) has its own time limit. It ends with the report that it is done, even if
    no one takes the frame yet.
    """

    def __init__(self, sandbox: Sandbox, runtime: Runtime, limits: RenderLimits, wait_bytes: int) -> None:
        """Starts nothing. `wait_bytes`: the most memory of a scene that may stay open while it waits."""
        self._sandbox, self._runtime, self._limits, self._wait_bytes = sandbox, runtime, limits, wait_bytes
        self._stack = contextlib.AsyncExitStack()
        self._folder: Path | None = None
        self._run: LiveRun | None = None
        self._log_lines = scripts.LogLines()
        self._exit: RunExit | None = None
        self._report, self._news = reports.RunReport(self._on_event), asyncio.Event()
        self._is_ready = self._is_over = False
        self._inspection: SceneInspection | None = None
        self._task = RenderTask(frames=())
        self._expected: deque[int] = deque()
        self._arrived: deque[tuple[reports.FrameReport, float, int]] = deque()
        self._on_progress: Callable[[Progress], None] = lambda progress: None
        self._phases, self._started = Phases(limits), time.monotonic()
        self._freezing = asyncio.ensure_future(asyncio.sleep(0))
        self._context = contextvars.copy_context()

    async def start(
        self, scene: Path | None = None, folder: scripts.Folder | None = None, merged: Path | None = None
    ) -> None:
        """Starts Blender, with a scene or ahead of one. Raises `HostUnavailable`.

        `folder`: its bundle. `merged`: a picture that is shown in place of what the scene would render.
        """
        if scene is None:
            self._folder = await self._stack.enter_async_context(scripts.scratch())
            given = scripts.Given((scripts.SCENE, OUT, "", ""), {scripts.JOB: self._folder})
        else:
            given = await self._stack.enter_async_context(scripts.given(scene, folder, merged))
        script = scripts.of_session(given, self._limits)
        run, lines = scripts.prepare(self._sandbox, self._runtime, script, self._report)
        self._log_lines = lines
        self._stack.callback(lambda: scripts.log_end(self._runtime, script, self._exit, self._report, lines))
        run = replace(
            run,
            on_report=lambda line: self._context.run(self._on_line, line),
            on_log=lambda line: self._context.run(lines.take, line),
            on_end=self._news.set,
        )
        self._run = await self._stack.enter_async_context(self._sandbox.start(run))
        self._started, self._run.deadline = time.monotonic(), math.inf
        self._phases.run = self._run

    async def close(self) -> None:
        """Ends every process and removes everything."""
        self._is_over = True
        await wait_for_end(self._freezing)
        await self._stack.aclose()

    @property
    def _live(self) -> LiveRun:
        assert self._run is not None, "started"
        return self._run

    @property
    def is_over(self) -> bool:
        """Whether it can render nothing more."""
        return self._is_over or self._live.has_ended

    @property
    def has_cycle(self) -> bool:
        """Whether Blender has told of one."""
        return self._log_lines.has_cycle

    async def wait_until_ready(self) -> int | None:
        """Waits until Blender has started. Returns its memory in bytes; None if it has ended."""
        self._phases.enter_loading()
        if await self._next(lambda: self._is_ready or None) is None:
            self._exit = await self._live.wait()
            return None
        self._phases.rest()
        await self._live.freeze(trusted=True)
        return await self._live.memory_bytes()

    async def give(self, scene: Path) -> bool:
        """Gives the scene to a Blender that was started ahead. Returns False if only a large copy would do.

        Raises `HostUnavailable`.
        """
        assert self._folder is not None, "started ahead"
        with host_errors.as_unavailable():
            self._context = contextvars.copy_context()  # its log lines are this job's from now on
            return await run_uninterrupted(visible.deliver, scene, self._folder / scripts.SCENE.name)

    async def may_wait(self) -> bool:
        """Whether it holds no more memory than a Blender that was started ahead may hold."""
        return await self._live.memory_bytes() <= self._wait_bytes

    async def pause(self) -> None:
        """Stops all processes until `resume`. Raises `HostUnavailable`."""
        self._phases.pause()
        await self._live.freeze()

    async def resume(self) -> None:
        """Lets them go on, unless they wait for a command anyway."""
        self._phases.resume()
        await self._thaw()

    async def inspect(self) -> SceneInspection:
        """What Blender finds in the scene. Raises `JobRejected`, `HostUnavailable`."""
        if self._inspection is None:
            async with self._command():
                if not await self._load():
                    end, allowed = await self._end(), self._phases.allowance
                    raise outcome.rejection(end, allowed, error=self._report.error)
        assert self._inspection is not None
        return self._inspection

    async def frames(
        self,
        task: RenderTask,
        out: Path,
        *,
        lease_seconds: float = math.inf,
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> AsyncIterator[Frame]:
        """Renders frames in order, yields each once it lies in `out`. Raises `RenderFailed`."""
        async with self._command():
            self._phases.begin(task, lease_seconds)
            if self._inspection is None:
                await self._load_for(out)
            self._task, self._on_progress, self._context = task, on_progress, contextvars.copy_context()
            self._expected = deque(task.frames)
            self._phases.enter_frame()
            await self._thaw()
            await self._send(request.as_json(task))
            later = {file for number in task.frames for file in task.rendered_files(number)}
            for _ in task.frames:
                frame = await self._take(out, later)
                if not later:
                    await self._freezing
                yield frame

    async def _load_for(self, out: Path) -> None:
        """Opens the scene for a render without an inspection. Raises `RenderFailed`."""
        try:
            if not await self._load():
                raise await self._failure(out)
        except JobRejected as error:
            raise RenderFailed(Code.BLENDER_ERROR, str(error)) from error

    @contextlib.asynccontextmanager
    async def _command(self) -> AsyncIterator[None]:
        """While a command is carried out. If it does not end well, the session is over."""
        if self._is_over:
            raise RuntimeError("the session is over")
        self._is_over = True
        try:
            yield
        except Exception:
            await self.close()
            raise
        self._is_over = False

    async def _load(self) -> bool:
        """Opens and inspects the scene. Returns False if the run has ended."""
        self._phases.enter_loading()
        await self._thaw()
        await self._send('{"open": true}')
        raw = await self._next(lambda: self._report.inspection)
        if raw is None:
            return False
        self._rest()
        await self._freezing
        self._inspection = parse_inspection(raw)
        return True

    async def _take(self, out: Path, later: set[str]) -> Frame:
        """Moves the next frame's files to `out`. `later`: all files that have not been taken."""
        arrived = await self._next(lambda: self._arrived.popleft() if self._arrived else None)
        if arrived is None:
            raise await self._failure(out)
        report, seconds, peak_memory_bytes = arrived
        request.check(report, self._task)
        self._live.forget_taken()
        for file in self._task.rendered_files(report.number):
            later.discard(file)
            if fault := await self._live.take(file, out / file, later=later):
                if fault.code is Code.TAMPER:
                    log.error("output_tampered", reason=fault.sentence)
                raise RenderFailed(fault.code, fault.sentence)
        if (free_bytes := outputs.free_bytes(out)) < outcome.DISK_FULL_BYTES:
            raise outcome.disk_full(free_bytes)
        return report.value(seconds, peak_memory_bytes)

    async def _next(self, arrived: Callable[[], T | None]) -> T | None:
        """Waits until something has arrived and returns it; None if the run has ended without it."""
        while True:
            self._news.clear()
            has_ended = self._live.has_ended
            if (found := arrived()) is not None or has_ended:
                return found
            await self._news.wait()

    async def _send(self, command: str) -> None:
        log.debug("blender_command", command=command[:1000])
        await self._live.send(command.encode("ascii"))

    async def _thaw(self) -> None:
        """Lets it work at what it was told, unless it is paused."""
        if self._phases.is_running:
            await self._live.thaw()

    def _rest(self) -> None:
        """From now to the next command, it has unlimited time and can use none."""
        self._phases.rest()
        self._freezing = asyncio.ensure_future(self._live.freeze())

    async def _end(self) -> RunExit:
        """How the run has ended, with the seconds since the phase began."""
        self._exit = end = await self._live.wait()
        return replace(end, seconds=max(0.0, self._started + end.seconds - self._phases.started))

    async def _failure(self, out: Path) -> RenderFailed | HostUnavailable:
        end = await self._end()
        with host_errors.as_unavailable():
            free_bytes = outputs.free_bytes(out)
        failed = outcome.failure(
            end, self._phases.allowance, finished=False, error=self._report.error, free_bytes=free_bytes
        )
        assert failed is not None, "it has not finished"
        return failed

    def _on_line(self, line: bytes) -> None:
        self._report.add_line(line)
        self._news.set()

    def _on_event(self, event: reports.Event) -> None:
        if isinstance(event, reports.ProgressReport):
            self._pass_on(event)
        elif isinstance(event, reports.FrameReport):
            self._note(event)
        elif isinstance(event, reports.Ready):
            self._is_ready = True
        elif isinstance(event, reports.Normalised) and event.changed:
            log.info("scene_normalised", changed=[printable(change) for change in event.changed[:20]])

    def _pass_on(self, event: reports.ProgressReport) -> None:
        frames = self._task.frames
        if self._expected and event.total == len(frames) >= event.done and event.frame in frames:
            self._on_progress(event.value())

    def _note(self, report: reports.FrameReport) -> None:
        """A frame is done: the next one's time begins. Any other frame than the next is not asked for."""
        if not self._expected or report.number != self._expected[0]:
            self._report.ignored += 1
            return
        self._expected.popleft()
        seconds, peak = self._phases.seconds, self._live.peak_memory_bytes
        self._arrived.append((report, round(seconds, 4), peak))
        if self._expected:
            self._phases.enter_frame()
        else:
            self._rest()
