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
from veriframe.adapters.blender.sandbox.text import MAX_LOG_LINE, LineSplitter, strip

_TAIL_LINES = 60
_MAX_REPORT_LINE = 2**20
_LOOK_SECONDS = 0.1
_OPEN_FILES = 4096

# Runs before any wall is up, as the worker's own user: into the control groups, first to die when memory
# runs out, small limits, and then the walls in its place.
_PROLOGUE = """
while [ "$1" != "--" ]; do echo $$ > "$1/cgroup.procs" || exit 125; shift; done; shift
echo 800 > /proc/self/oom_score_adj
ulimit -c 0; ulimit -n "$1"; ulimit -t "$2"; ulimit -f "$3"; shift 3
exec "$@"
"""


@dataclass(frozen=True, slots=True)
class Walls:
    """A walled command line that says how far it came, as JSON lines on the status descriptor.

    bubblewrap says `child-pid` and then `exit-code`; our own launcher says `started`, right before the
    program takes its place. `scratch` is a temporary folder on the host, watched like the output.
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
        report, status = stack.enter_context(closing(Pipe())), stack.enter_context(closing(Pipe()))
        walls = build(report.write, status.write)
        return await _Run(cell, group, report, status).to_the_end(walls)


class _Run:
    """One run's moving parts. The first reason to end it is the one that counts."""

    def __init__(self, cell: Cell, group: cgroup.Group | None, report: Pipe, status: Pipe) -> None:
        self._cell, self._group, self._report, self._status = cell, group, report, status
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._reason: Ending | None = None
        self._peak = 0
        self._finished_at: float | None = None
        self._started = time.monotonic()
        self._process: asyncio.subprocess.Process | None = None

    async def to_the_end(self, walls: Walls) -> CellExit:
        process = await asyncio.create_subprocess_exec(
            *self._command(walls),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=dict(walls.environment),
            pass_fds=(self._report.write, self._status.write, *walls.descriptors),
            start_new_session=True,
        )
        self._process = process
        self._report.close_write()
        self._status.close_write()
        assert process.stdout is not None
        listeners = [
            asyncio.create_task(self._listen_to_log(process.stdout)),
            asyncio.create_task(self._listen_to_report()),
            asyncio.create_task(self._watch(walls.scratch)),
        ]
        for listener in listeners:
            listener.add_done_callback(self._end_where_broken)
        try:
            await process.wait()
        finally:
            # Also when cancelled: nothing that was started outlives this call.
            self._kill()
            await asyncio.shield(process.wait())
            listeners[2].cancel()
            await asyncio.wait(listeners, timeout=5)
            for listener in listeners:
                listener.cancel()
        for listener in listeners:
            if listener.done() and not listener.cancelled() and (error := listener.exception()):
                raise error
        return self._exit(process.returncode or 0)

    def _end_where_broken(self, listener: asyncio.Task[None]) -> None:
        # A listener only fails by a fault of the caller's; nobody would empty the pipe any more.
        if not listener.cancelled() and listener.exception() is not None:
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

    async def _listen_to_log(self, stream: asyncio.StreamReader) -> None:
        splitter = LineSplitter(
            self._on_log, max_line=4 * MAX_LOG_LINE, max_total=self._cell.limits.log_bytes, cut=True
        )
        while chunk := await stream.read(65_536):
            if self._reason is not Ending.LOG_LIMIT and not splitter.feed(chunk):
                self._end(Ending.LOG_LIMIT)
        splitter.close()

    def _on_log(self, line: bytes) -> None:
        if text := strip(line):
            self._tail.append(text)
            self._cell.on_log(text)

    async def _listen_to_report(self) -> None:
        splitter = LineSplitter(
            self._on_report, max_line=_MAX_REPORT_LINE, max_total=self._cell.limits.report_bytes, cut=False
        )
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(self._report.read), "rb")
        )
        with closing(transport):
            while chunk := await reader.read(65_536):
                if self._reason is not Ending.REPORT_LIMIT and not splitter.feed(chunk):
                    self._end(Ending.REPORT_LIMIT)
        splitter.close()

    def _on_report(self, line: bytes) -> None:
        self._cell.on_report(line)
        if self._finished_at is None and self._cell.finished():
            self._finished_at = time.monotonic()

    async def _watch(self, scratch: Path | None) -> None:
        limits, out = self._cell.limits, self._cell.out
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now = time.monotonic()
            if limits.wall_seconds and now - self._started > limits.wall_seconds:
                self._end(Ending.TIMEOUT)
            if self._finished_at is not None and now - self._finished_at > self._cell.grace_seconds:
                self._end(Ending.STOPPED)
            if out is not None and watcher.exceeds(out, limits.output_bytes):
                self._end(Ending.OUTPUT_LIMIT)
            if scratch is not None and watcher.exceeds(scratch, limits.tmp_bytes):
                self._end(Ending.OUTPUT_LIMIT)
            if self._group is None:
                self._watch_tree()

    def _watch_tree(self) -> None:
        assert self._process is not None
        usage = watcher.measure_tree(self._process.pid)
        self._peak = max(self._peak, usage.memory_bytes)
        if usage.memory_bytes > self._cell.limits.memory_bytes:
            self._end(Ending.OOM)
        elif usage.processes > self._cell.limits.pids:
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
        said: dict[str, object] = {}
        os.set_blocking(self._status.read, False)
        with contextlib.suppress(OSError):
            for line in os.read(self._status.read, 65_536).splitlines():
                with contextlib.suppress(ValueError):
                    said.update(json.loads(line))
        exit_code = said.get("exit-code")
        if isinstance(exit_code, int):
            return exit_code, True
        return returncode, "started" in said or ("child-pid" in said and returncode < 0)

    def _classify(self, code: int, built: bool) -> Ending:
        if self._group is not None and self._group.out_of_memory():
            return Ending.OOM
        if not built:
            return Ending.WALLS_FAILED
        number = _signal_of(code)
        if number == signal.SIGXCPU:
            return Ending.CPU_LIMIT
        if number == signal.SIGXFSZ:
            return Ending.OUTPUT_LIMIT
        if code != 0 and self._group is not None and self._group.out_of_pids():
            return Ending.PIDS
        return Ending.CRASHED if number else Ending.EXITED


def _signal_of(code: int) -> int:
    if code < 0:
        return -code
    return code - 128 if 128 < code <= 128 + 64 else 0
