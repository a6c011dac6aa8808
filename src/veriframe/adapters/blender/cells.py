"""Runs of one script behind the walls: what it is shown, what it may use, what it reported."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import structlog

from veriframe.adapters.blender.reports import Event, Heard
from veriframe.adapters.blender.runtimes import Argument, Runtime
from veriframe.adapters.blender.sandbox.cell import Cell, CellExit, CellLimits, Sandbox
from veriframe.adapters.blender.sandbox.strict import pasteable
from veriframe.errors import HostUnavailable
from veriframe.model.frames import RenderLimits

log = structlog.get_logger()

SCENE = PurePosixPath("/job/scene.blend")
"""Where a scene is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A script of `in_blender`, and all that one run of it is given."""

    name: str
    arguments: Sequence[Argument] = ()
    shown: Mapping[PurePosixPath, Path] = field(default_factory=dict)
    out: Path | None = None
    wall_seconds: float
    limits: RenderLimits


async def run_script(
    sandbox: Sandbox,
    runtime: Runtime,
    script: Script,
    on_event: Callable[[Event], None] = lambda event: None,
) -> tuple[CellExit, Heard]:
    """Run a script to its end. Its exact command is logged, so that it can be pasted into a shell."""
    heard = Heard(on_event)
    cell = Cell(
        argv=runtime.argv(script.name, script.arguments),
        limits=_cell_limits(script),
        visible={**runtime.visible(), **script.shown},
        out=script.out,
        environment=runtime.environment,
        on_report=heard.hear,
        on_log=_log_line,
        finished=lambda: heard.finished,
    )
    log.info("blender_started", script=script.name, command=pasteable(sandbox.command(cell)))
    end = await sandbox.run(cell)
    log.debug(
        "blender_ended",
        script=script.name,
        ending=end.ending.value,
        code=end.code,
        signal=end.signal,
        seconds=round(end.seconds, 3),
        peak_memory_bytes=end.peak_memory_bytes,
        ignored_reports=heard.ignored,
    )
    return end, heard


@contextlib.contextmanager
def readable(file: Path) -> Iterator[Path]:
    """The file, or a copy of it where the user that a root worker's renders run as could not read it."""
    if os.geteuid() != 0 or file.stat().st_mode & 0o004:
        yield file
        return
    with scratch() as folder:
        copy = folder / file.name
        shutil.copyfile(file, copy)
        copy.chmod(0o644)
        yield copy


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A new folder that is removed afterwards, whoever owns what lies in it."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="veriframe-"))
    except OSError as error:
        raise HostUnavailable(
            f"No temporary folder can be made: {error.strerror}. Free the disk, or set TMPDIR."
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _cell_limits(script: Script) -> CellLimits:
    limits = script.limits
    return CellLimits(
        wall_seconds=script.wall_seconds,
        memory_bytes=limits.memory_bytes,
        pids=limits.pids,
        output_bytes=limits.output_bytes,
        log_bytes=limits.log_bytes,
    )


def _log_line(line: str) -> None:
    log.debug("blender_output", line=line)
