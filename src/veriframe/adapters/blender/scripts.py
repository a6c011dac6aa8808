"""Runs of one script behind the walls: what it is shown, what it may use, what it reported."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import structlog

from veriframe import disk
from veriframe.adapters.blender.reports import MOST_EVENTS, Event, RunReport
from veriframe.adapters.blender.runtimes import Argument, Runtime
from veriframe.adapters.blender.sandbox import temporary
from veriframe.adapters.blender.sandbox import visible as view
from veriframe.adapters.blender.sandbox.levels.bubblewrap import pasteable
from veriframe.adapters.blender.sandbox.limits import host_errors as machine
from veriframe.adapters.blender.sandbox.run import Level, RunExit, RunLimits, Sandbox, SandboxedRun
from veriframe.errors import HostUnavailable
from veriframe.model.rendering.frames import RenderLimits
from veriframe.threads import to_the_end

log = structlog.get_logger()

GRACE_SECONDS = 10.0
"""For a process that reported its end; then it is stopped."""

MOST_LOG_LINES = 5_000
"""Of one run, in our own log; the log's bytes are capped by the sandbox."""

_LOG_LINE_BYTES = 64
"""An honest log's lines are longer on average."""

_REPORTS_A_SECOND = 10
"""Of an honest script, at most: six signs of life, and what it says of frames."""

SCENE = PurePosixPath("/job/scene.blend")
"""Where a scene is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A script of `in_blender`, and all that one run of it is given."""

    name: str
    arguments: Sequence[Argument] = ()
    shown: Mapping[PurePosixPath, Path] = field(default_factory=dict)
    out: Path | None = None
    expected: Sequence[str] = ()
    """The names of the files that it is to leave in `out`."""
    wall_seconds: float
    limits: RenderLimits


async def run_script(
    sandbox: Sandbox,
    runtime: Runtime,
    script: Script,
    on_event: Callable[[Event], None] = lambda event: None,
) -> tuple[RunExit, RunReport]:
    """Run a script to its end. Its exact command is logged, so that it can be pasted into a shell."""
    report, lines = RunReport(on_event), _LogLines()
    argv = runtime.argv(script.name, script.arguments)
    run = SandboxedRun(
        argv=runtime.confined(argv) if sandbox.level is Level.STRICT else argv,
        limits=_run_limits(script),
        visible={**runtime.visible(), **script.shown},
        out=script.out,
        expected=script.expected,
        environment=runtime.environment,
        on_report=report.add_line,
        on_log=lines.take,
        finished=lambda: report.finished,
        flooded=lambda: report.is_flood,
        grace_seconds=GRACE_SECONDS,
    )
    command = pasteable(sandbox.command(run))
    if runtime.is_blender:
        log.info("blender_started", script=script.name, command=command)
    else:
        log.debug("decoder_started", command=command)
    end = await sandbox.run(run)
    log.debug(
        "blender_ended" if runtime.is_blender else "decoder_ended",
        script=script.name,
        ending=end.ending.value,
        code=end.code,
        signal=end.signal,
        seconds=round(end.seconds, 3),
        peak_memory_bytes=end.peak_memory_bytes,
        ignored_reports=report.ignored,
        left_out_lines=max(0, lines.taken - MOST_LOG_LINES),
    )
    return end, report


@contextlib.asynccontextmanager
async def readable(file: Path) -> AsyncIterator[Path]:
    """The file, or a copy of it where the user that a root worker's renders run as could not read it.

    Raises `HostUnavailable` where it cannot be copied.
    """
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(machine.needed())
        if os.geteuid() == 0 and not os.stat(file).st_mode & 0o004:  # noqa: PTH116 - one look
            copy = await stack.enter_async_context(scratch()) / file.name
            await to_the_end(shutil.copyfile, file, copy)
            view.let_in(copy)
            file = copy
        yield file


@contextlib.asynccontextmanager
async def scratch() -> AsyncIterator[Path]:
    """A new folder that no other user can look into; removed afterwards, whoever owns what lies in it."""
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(temporary.locked("tmp"))
            view.let_in(folder)
        except OSError as error:
            raise HostUnavailable(
                f"No temporary folder can be made: {error.strerror}. Free the disk, or set TMPDIR."
            ) from error
        try:
            yield folder
        finally:
            await to_the_end(disk.remove, folder)


def _run_limits(script: Script) -> RunLimits:
    limits = script.limits
    return RunLimits(
        wall_seconds=script.wall_seconds,
        memory_bytes=limits.memory_bytes,
        pids=limits.pids,
        output_bytes=limits.output_bytes,
        log_bytes=limits.log_bytes,
        log_lines=limits.log_bytes // _LOG_LINE_BYTES,
        report_lines=MOST_EVENTS + int(_REPORTS_A_SECOND * script.wall_seconds),
    )


class _LogLines:
    """Passes a run's lines on to our log, up to a cap; the last ones of all are in `RunExit.log_tail`."""

    def __init__(self) -> None:
        self.taken = 0

    def take(self, line: str) -> None:
        """One line, stripped already."""
        self.taken += 1
        if self.taken <= MOST_LOG_LINES:
            log.debug("blender_output", line=line)
