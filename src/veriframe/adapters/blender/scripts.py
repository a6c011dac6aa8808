"""Runs one script in the sandbox: what it sees, what it may use, what it reported."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import structlog

from veriframe import disk
from veriframe.adapters.blender.reports import MAX_EVENTS, Event, RunReport
from veriframe.adapters.blender.runtimes import Argument, Runtime
from veriframe.adapters.blender.sandbox import temporary, visible
from veriframe.adapters.blender.sandbox.levels.bubblewrap import pasteable
from veriframe.adapters.blender.sandbox.limits import host_errors
from veriframe.adapters.blender.sandbox.run import OUT, Level, RunExit, RunLimits, Sandbox, SandboxedRun
from veriframe.causes import cause_of
from veriframe.errors import HostUnavailable
from veriframe.model.rendering.frames import MAX_FRAMES, RenderLimits
from veriframe.threads import run_uninterrupted

log = structlog.get_logger()

GRACE_SECONDS = 10.0
"""How long a process may live after it has reported that it is finished."""

MAX_LOG_LINES = 5_000
"""Log lines of one run that are copied to the worker's log; the sandbox limits the bytes."""

_LOG_LINE_BYTES = 64
"""Lines of a normal log are longer than this on average."""

_REPORTS_PER_SECOND = 10
"""The most that an unmodified script sends: six progress reports, and its reports on frames."""

JOB = PurePosixPath("/job")
SCENE = JOB / "scene.blend"
"""The path of the scene inside the sandbox, and of its folder."""

BUNDLE = JOB / "bundle"
MERGED = JOB / "merged.exr"
"""The paths of a bundle, and of a merged picture, inside the sandbox."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One run of a script of `in_blender`."""

    name: str
    arguments: Sequence[Argument] = ()
    shown: Mapping[PurePosixPath, Path] = field(default_factory=dict)
    out: Path | None = None
    expected: Sequence[str] = ()
    """The names of the files that it must leave in `out`."""
    live: bool = False
    """Whether it obeys commands, and its output is taken while it runs."""
    wall_seconds: float
    limits: RenderLimits


Folder = Path | Mapping[str, Path]
"""A scene's bundle; or the files that are visible with it, by their absolute paths."""


@dataclass(frozen=True, slots=True)
class Given:
    """What `session.py` is given: its arguments, and what the sandbox shows it."""

    arguments: Sequence[Argument]
    shown: Mapping[PurePosixPath, Path]


async def run_script(
    sandbox: Sandbox,
    runtime: Runtime,
    script: Script,
    on_event: Callable[[Event], None] = lambda event: None,
) -> tuple[RunExit, RunReport]:
    """Runs a script to its end and logs its exact command, which can be pasted into a shell."""
    report = RunReport(on_event)
    run, lines = prepare(sandbox, runtime, script, report)
    end = await sandbox.run(run)
    log_end(runtime, script, end, report, lines)
    return end, report


def of_session(given: Given, limits: RenderLimits) -> Script:
    """The script of a session, which is told what to render."""
    return Script(
        name="session.py",
        arguments=given.arguments,
        shown=given.shown,
        live=True,
        # Each phase has its own limit. This one only bounds what the kernel limits by itself.
        wall_seconds=limits.wall_seconds(MAX_FRAMES),
        limits=limits,
    )


def prepare(
    sandbox: Sandbox, runtime: Runtime, script: Script, report: RunReport
) -> tuple[SandboxedRun, LogLines]:
    """Describes the run of a script for the sandbox, and logs its command."""
    lines = LogLines()
    argv = runtime.argv(script.name, script.arguments)
    run = SandboxedRun(
        argv=runtime.confined(argv) if sandbox.level is Level.STRICT else argv,
        limits=_run_limits(script),
        visible={**runtime.visible(), **script.shown},
        out=script.out,
        expected=script.expected,
        live=script.live,
        environment=runtime.environment,
        on_report=report.add_line,
        on_log=lines.take,
        finished=lambda: report.finished and not script.live,
        flooded=lambda: report.is_flood,
        grace_seconds=GRACE_SECONDS,
    )
    command = pasteable(sandbox.command(run))
    if runtime.is_blender:
        log.debug("blender_started", script=script.name, command=command)
    else:
        log.debug("decoder_started", command=command)
    return run, lines


def log_end(
    runtime: Runtime, script: Script, end: RunExit | None, report: RunReport, lines: LogLines
) -> None:
    """Logs how a run ended; None: it was closed."""
    about = {} if end is None else _measured(end)
    log.debug(
        "blender_ended" if runtime.is_blender else "decoder_ended",
        script=script.name,
        ending="CLOSED" if end is None else end.ending.value,
        **about,
        ignored_reports=report.ignored,
        left_out_lines=max(0, lines.taken - MAX_LOG_LINES),
    )


@contextlib.asynccontextmanager
async def given(scene: Path, folder: Folder | None, merged: Path | None) -> AsyncIterator[Given]:
    """Yields what `session.py` is given for a scene, for one in a bundle, or for one where it lies.

    A bundle is not copied; a root worker's sandbox user is given the right to read it. Raises
    `HostUnavailable`.
    """
    if isinstance(folder, Mapping):
        async with at_home(scene, folder) as shown:
            yield Given((PurePosixPath(scene), OUT, "", ""), shown)
        return
    async with contextlib.AsyncExitStack() as stack:
        shown = {} if merged is None else {MERGED: await stack.enter_async_context(readable(merged))}
        picture = "" if merged is None else MERGED
        if folder is None:
            file = await stack.enter_async_context(readable(scene))
            yield Given((SCENE, OUT, "", picture), {SCENE: file, **shown})
            return
        with host_errors.as_unavailable():
            await run_uninterrupted(visible.grant_reading, folder)
        inside = BUNDLE / scene.relative_to(folder)
        yield Given((inside, OUT, BUNDLE, picture), {BUNDLE: folder, **shown})


@contextlib.asynccontextmanager
async def at_home(scene: Path, files: Mapping[str, Path]) -> AsyncIterator[dict[PurePosixPath, Path]]:
    """Yields what shows a scene and other files at their own absolute paths. Raises `HostUnavailable`."""
    async with contextlib.AsyncExitStack() as stack:
        shown: dict[PurePosixPath, Path] = {}
        for path, file in {str(scene): scene, **files}.items():
            shown[PurePosixPath(path)] = await stack.enter_async_context(readable(file))
        yield shown


@contextlib.asynccontextmanager
async def readable(file: Path) -> AsyncIterator[Path]:
    """Yields the file, or a copy if a root worker's sandbox user could not read it.

    Raises `HostUnavailable` if it cannot be copied.
    """
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(host_errors.as_unavailable())
        if not visible.is_readable_inside(file):
            copy = await stack.enter_async_context(scratch()) / file.name
            await run_uninterrupted(shutil.copyfile, file, copy)
            visible.grant_access(copy)
            file = copy
        yield file


@contextlib.asynccontextmanager
async def scratch() -> AsyncIterator[Path]:
    """Yields a new folder that no other user can enter. Removes it afterwards, whoever owns its contents."""
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(temporary.locked("tmp"))
            visible.grant_access(folder)
        except OSError as error:
            raise HostUnavailable(
                f"No temporary folder can be created: {cause_of(error)}. Free some disk space, or set TMPDIR."
            ) from error
        try:
            yield folder
        finally:
            await run_uninterrupted(disk.remove, folder)


def _run_limits(script: Script) -> RunLimits:
    limits = script.limits
    return RunLimits(
        wall_seconds=script.wall_seconds,
        memory_bytes=limits.memory_bytes,
        pids=limits.pids,
        output_bytes=limits.output_bytes,
        log_bytes=limits.log_bytes,
        log_lines=limits.log_bytes // _LOG_LINE_BYTES,
        # The limits of a live run grow with the time that it has really taken.
        report_lines=MAX_EVENTS + (0 if script.live else int(_REPORTS_PER_SECOND * script.wall_seconds)),
    )


def _measured(end: RunExit) -> Mapping[str, float]:
    return {
        "code": end.code,
        "signal": end.signal,
        "seconds": round(end.seconds, 3),
        "peak_memory_bytes": end.peak_memory_bytes,
    }


_CYCLE = "Dependency cycle detected"
"""What Blender says whenever it builds a dependency graph with a cycle."""


class LogLines:
    """Copies a run's lines to the worker's log, up to a limit. `RunExit.log_tail` has the last lines.

    `has_cycle`: one of them tells of a dependency cycle in the scene.
    """

    def __init__(self) -> None:
        self.taken, self.has_cycle = 0, False

    def take(self, line: str) -> None:
        """Logs one stripped line."""
        self.taken += 1
        self.has_cycle = self.has_cycle or _CYCLE in line
        if self.taken <= MAX_LOG_LINES:
            log.debug("blender_output", line=line)
