"""What all levels share: start a walled command, listen to it, watch it, end it, say how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from veriframe.adapters.blender.sandbox import cgroup, watcher
from veriframe.adapters.blender.sandbox.cell import Cell, CellExit, Ending
from veriframe.adapters.blender.sandbox.text import MAX_LOG_LINE, Caps, LineSplitter, read_lines, strip

_TAIL_LINES = 60
_MAX_REPORT_LINE = 2**20
_LOOK_SECONDS = 0.1
_CLOSING_SECONDS = 5.0
_OPEN_FILES = 4096

# Runs before any wall is up, as the worker's own user: into the control groups, first to die when memory
# runs out, small limits, and then the walls in its place.
_PROLOGUE = """
while [ "$1" != "--" ]; do echo $$ > "$1/cgroup.procs" || exit 125; shift; done; shift
echo 800 > /proc/self/oom_score_adj
ulimit -c 0; ulimit -n "$1"; ulimit -f "$3"
# With the hard limit above the soft one the end by processor time has a signal of its own.
[ "$2" = unlimited ] || { ulimit -S -t "$2"; ulimit -H -t $(($2 + 5)); }
shift 3
exec "$@"
"""


@dataclass(frozen=True, slots=True)
class Walls:
    """A walled command line that says how far it came, as JSON lines on the status descriptor.

    bubblewrap says `child-pid` and then `exit-code`. Our own launcher says `started` right before the
    program takes its place, and `failed` where that did not come about. `scratch` is a temporary folder
    on the host, watched like the output.
    """

    argv: Sequence[str]
    environment: Mapping[str, str]
    descriptors: Sequence[int] = ()
    scratch: Path | None = None


class Pipe:
    """Both ends of a pipe. The write end is for the child, and closed here once the child has it."""

    def __init__(self) -> None:
        self.read, self.write = os.pipe()
        self._open = {self.read, self.write}

    def close_write(self) -> None:
        """Let go of the write end. Twice does nothing: the number may belong to another file by now."""
        self._close(self.write)

    def close(self) -> None:
        """Let go of both ends."""
        self._close(self.read)
        self._close(self.write)

    def _close(self, descriptor: int) -> None:
        if descriptor in self._open:
            self._open.remove(descriptor)
            os.close(descriptor)


async def run(cell: Cell, build: Callable[[int, int], Walls], *, use_cgroup: bool) -> CellExit:
    """Run `cell` inside the walls that `build(report_fd, status_fd)` makes. Cancelling kills everything."""
    with contextlib.ExitStack() as stack:
        group = None
        hierarchy = cgroup.find() if use_cgroup else None
        if hierarchy is not None:
            group = stack.enter_context(
                closing(cgroup.Group(hierarchy, memory_bytes=cell.limits.memory_bytes, pids=cell.limits.pids))
            )
        log, report, status = (stack.enter_context(closing(Pipe())) for _ in range(3))
        walls = build(report.write, status.write)
        return await _Run(cell, group, log, report, status).to_the_end(walls)


class _Run:
    """One run's moving parts. The first reason to end it is the one that counts."""

    def __init__(self, cell: Cell, group: cgroup.Group | None, log: Pipe, report: Pipe, status: Pipe) -> None:
        self._cell, self._group = cell, group
        self._log, self._report, self._status = log, report, status
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._reason: Ending | None = None
        self._said: dict[str, object] = {}
        self._peak = 0
        self._finished_at: float | None = None
        self._started = time.monotonic()
        self._process: asyncio.subprocess.Process | None = None

    async def to_the_end(self, walls: Walls) -> CellExit:
        process = await asyncio.create_subprocess_exec(
            *self._command(walls),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=self._log.write,
            stderr=asyncio.subprocess.STDOUT,
            env=dict(walls.environment),
            pass_fds=(self._report.write, self._status.write, *walls.descriptors),
            start_new_session=True,
        )
        self._process = process
        for pipe in (self._log, self._report, self._status):
            pipe.close_write()
        watch, *listeners = tasks = self._start_listening(walls.scratch)
        try:
            await process.wait()
        finally:
            # Also when cancelled: nothing that was started outlives this call.
            self._kill()
            await asyncio.shield(process.wait())
            self._read_status()
            await self._wait_for_inside()
            watch.cancel()
            await asyncio.wait(listeners, timeout=_CLOSING_SECONDS)
            for task in tasks:
                task.cancel()
        for task in tasks:
            if task.done() and not task.cancelled() and (error := task.exception()):
                raise error
        return self._exit(process.returncode or 0)

    def _start_listening(self, scratch: Path | None) -> list[asyncio.Task[None]]:
        limits = self._cell.limits
        log_caps = Caps(4 * MAX_LOG_LINE, limits.log_bytes, limits.log_lines)
        log = LineSplitter(self._on_log, log_caps, cut=True)
        report_caps = Caps(_MAX_REPORT_LINE, limits.report_bytes, limits.report_lines)
        report = LineSplitter(self._on_report, report_caps, cut=False)
        tasks = [
            asyncio.create_task(self._watch(scratch)),
            asyncio.create_task(read_lines(self._log.read, log, lambda: self._end(Ending.LOG_LIMIT))),
            asyncio.create_task(
                read_lines(self._report.read, report, lambda: self._end(Ending.REPORT_LIMIT))
            ),
        ]
        for task in tasks:
            task.add_done_callback(self._end_where_broken)
        return tasks

    def _read_status(self) -> None:
        os.set_blocking(self._status.read, False)
        with contextlib.suppress(OSError, ValueError):
            text, at = os.read(self._status.read, 65_536).decode().strip(), 0
            while at < len(text):
                message, at = json.JSONDecoder().raw_decode(text, at)
                at += len(text[at:]) - len(text[at:].lstrip())
                # The outer of two nested builders speaks first, and its `child-pid` is the one known here.
                self._said = {**message, **self._said}

    async def _wait_for_inside(self) -> None:
        """Wait until the namespace's first process is gone, and with it all others in there.

        bubblewrap itself ends as soon as it knows the exit code, while the kernel is still killing.
        """
        pid = self._said.get("child-pid")
        if not isinstance(pid, int):
            return
        with contextlib.suppress(OSError, TimeoutError):
            descriptor = os.pidfd_open(pid)
            gone, loop = asyncio.Event(), asyncio.get_running_loop()
            loop.add_reader(descriptor, gone.set)
            try:
                await asyncio.wait_for(gone.wait(), _CLOSING_SECONDS)
            finally:
                loop.remove_reader(descriptor)
                os.close(descriptor)

    def _end_where_broken(self, task: asyncio.Task[None]) -> None:
        # A listener only fails by a fault of the caller's; nobody would empty the pipe any more.
        if not task.cancelled() and task.exception() is not None:
            self._kill()

    def _command(self, walls: Walls) -> list[str]:
        groups = [str(folder) for folder in self._group.folders] if self._group else []
        limits = self._cell.limits
        hard_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        open_files = _OPEN_FILES if hard_files == resource.RLIM_INFINITY else min(_OPEN_FILES, hard_files)
        # CPU seconds: all cores for the whole wall clock; only the wall clock is meant to be met.
        cpu_seconds = int(limits.wall_seconds * (os.cpu_count() or 1)) + 10 if limits.wall_seconds else 0
        file_blocks = limits.output_bytes // 512 + 1
        numbers = [str(open_files), str(cpu_seconds or "unlimited"), str(file_blocks)]
        return ["/bin/sh", "-c", _PROLOGUE, "veriframe-cell", *groups, "--", *numbers, *walls.argv]

    def _on_log(self, line: bytes) -> None:
        if text := strip(line):
            self._tail.append(text)
            self._cell.on_log(text)

    def _on_report(self, line: bytes) -> None:
        if self._reason is Ending.REPORT_LIMIT:
            return
        self._cell.on_report(line)
        if self._cell.flooded():
            self._end(Ending.REPORT_LIMIT)
        if self._finished_at is None and self._cell.finished():
            self._finished_at = time.monotonic()

    async def _watch(self, scratch: Path | None) -> None:
        limits = self._cell.limits
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now = time.monotonic()
            if limits.wall_seconds and now - self._started > limits.wall_seconds:
                self._end(Ending.TIMEOUT)
            if self._finished_at is not None and now - self._finished_at > self._cell.grace_seconds:
                self._end(Ending.STOPPED)
            if self._output_is_too_large():
                self._end(Ending.OUTPUT_LIMIT)
            if scratch is not None and watcher.exceeds(scratch, limits.tmp_bytes):
                self._end(Ending.OUTPUT_LIMIT)
            if self._group is None:
                self._watch_tree()

    def _output_is_too_large(self) -> bool:
        out = self._cell.out
        return out is not None and watcher.exceeds(out, self._cell.limits.output_bytes)

    def _watch_tree(self) -> None:
        assert self._process is not None
        usage = watcher.measure_tree(self._process.pid)
        self._peak = max(self._peak, usage.memory_bytes)
        limit = self._cell.limits.memory_bytes
        if usage.memory_bytes > limit and watcher.proportional_bytes(usage.pids) > limit:
            self._end(Ending.OOM)
        elif len(usage.pids) > self._cell.limits.pids:
            self._end(Ending.PIDS)

    def _end(self, reason: Ending) -> None:
        if self._reason is None:
            self._reason = reason
        self._kill()

    def _kill(self) -> None:
        # The walls die with the process that built them, and everything inside dies with the walls. The
        # control group, where there is one, also reaches what a level without namespaces has let go.
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        if self._group is not None:
            self._group.kill()

    def _exit(self, returncode: int) -> CellExit:
        code, built = self._exit_code(returncode)
        ending = self._reason or self._classify(code, built)
        return CellExit(
            ending=ending,
            code=max(code, 0),
            signal=_signal_of(code),
            seconds=time.monotonic() - self._started,
            peak_memory_bytes=self._group.peak_bytes() if self._group else self._peak,
            log_tail=tuple(self._tail),
        )

    def _exit_code(self, returncode: int) -> tuple[int, bool]:
        """The program's own exit code, and whether the walls stood at all."""
        exit_code = self._said.get("exit-code")
        if isinstance(exit_code, int):
            return exit_code, True
        started = "started" in self._said and "failed" not in self._said
        return returncode, started or ("child-pid" in self._said and returncode < 0)

    def _classify(self, code: int, built: bool) -> Ending:
        if self._group is not None and self._group.out_of_memory():
            return Ending.OOM
        if not built:
            return Ending.WALLS_FAILED
        number = _signal_of(code)
        if number == signal.SIGXCPU:
            return Ending.CPU_LIMIT
        if number == signal.SIGXFSZ or self._output_is_too_large():
            return Ending.OUTPUT_LIMIT
        if code != 0 and self._group is not None and self._group.out_of_pids():
            return Ending.PIDS
        return Ending.CRASHED if number else Ending.EXITED


def _signal_of(code: int) -> int:
    if code < 0:
        return -code
    return code - 128 if 128 < code <= 128 + 64 else 0
