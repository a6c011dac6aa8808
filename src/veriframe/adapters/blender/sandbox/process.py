"""Runs one sandboxed command, at any level: starts it, reads its output, enforces limits, reports its end."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import time
from collections import deque
from collections.abc import Sequence

from veriframe.adapters.blender.sandbox.command import SandboxCommand
from veriframe.adapters.blender.sandbox.limits import cgroup, prologue, resource_usage
from veriframe.adapters.blender.sandbox.output_mounts import output_room_bytes
from veriframe.adapters.blender.sandbox.pipes import Pipe, Status
from veriframe.adapters.blender.sandbox.run import Ending, RunExit, SandboxedRun
from veriframe.adapters.blender.sandbox.text import (
    MAX_LOG_LINE,
    LineSplitter,
    StreamLimits,
    read_lines,
    strip,
)
from veriframe.adapters.blender.sandbox.watch import Watcher
from veriframe.threads import run_briefly, wait_uninterrupted

_TAIL_LINES = 60
_MAX_REPORT_LINE = 2**20
_CLOSING_SECONDS = 5.0
_DYING_SECONDS = 15.0
# A live program may write for days: bytes and lines per second that are added to its limits.
_LOG_RATE, _REPORT_RATE = (4096, 64), (4096, 10)
_OUTPUT_NOT_OPENED = (
    "The output's file system cannot be opened from outside. Run the worker as an ordinary user, or give its "
    "container the capability SYS_PTRACE."
)


class Process:
    """The state of one run. Only the first reason to end it counts."""

    def __init__(
        self,
        run: SandboxedRun,
        command: SandboxCommand,
        group: cgroup.ControlGroup | None,
        pipes: tuple[Pipe, Pipe, Pipe],
        commands: Pipe | None,
    ) -> None:
        self._sandboxed, self._command, self._group, self._pipes = run, command, group, pipes
        self._log, self._report, self._status = pipes[0], pipes[1], Status(pipes[2].read)
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._reason: Ending | None = None
        self._inside: int | None = None
        self._commands = commands
        self.watcher = Watcher(run, command.writable, self._end)
        self._started = time.monotonic()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The process id of the first process, the sandbox's builder, while it lives."""
        alive = self._process is not None and self._process.returncode is None
        return self._process.pid if self._process is not None and alive else None

    @property
    def peak_memory_bytes(self) -> int:
        """As the control group or the watcher has measured it."""
        return self._group.peak_bytes() if self._group else self.watcher.peak_bytes

    async def run(self) -> RunExit:
        """Runs the program to its end. Once, and if cancelled, everything inside is dead when it returns."""
        process: asyncio.subprocess.Process | None = None
        tasks: list[asyncio.Task[None]] = []
        try:
            # Even a cancelled start ends first, so that what it started can be killed.
            process = await wait_uninterrupted(asyncio.ensure_future(self._start()))
            tasks = self._start_reading()
            await process.wait()
        finally:
            # Even if cancelled repeatedly, nothing that was started outlives this call.
            self._kill()
            if self._process is not None:
                gone = self._wait_until_gone(self._process, tasks)
                await wait_uninterrupted(asyncio.ensure_future(gone))
        for task in tasks:
            if task.done() and not task.cancelled() and (error := task.exception()):
                raise error
        return await self._exit(process.returncode or 0)

    async def _start(self) -> asyncio.subprocess.Process:
        run, command = self._sandboxed, self._command
        groups = self._group.folders if self._group else ()
        self._process = process = await asyncio.create_subprocess_exec(
            *prologue.command(command.argv, run.limits, groups, max_file_bytes=output_room_bytes(run)),
            stdin=asyncio.subprocess.DEVNULL if command.gate is None else command.gate.inside,
            stdout=self._log.write,
            stderr=asyncio.subprocess.STDOUT,
            env=dict(command.environment),
            pass_fds=(
                *(pipe.write for pipe in self._pipes[1:]),
                *(() if self._commands is None else (self._commands.read,)),
                *command.descriptors,
            ),
            start_new_session=True,
        )
        for pipe in self._pipes:
            pipe.close_write()
        if self._commands is not None:
            self._commands.close_read()
        if command.gate is not None:
            command.gate.close_inside()
        return process

    async def _wait_until_gone(
        self, process: asyncio.subprocess.Process, tasks: Sequence[asyncio.Task[None]]
    ) -> None:
        """Waits until all killed processes are gone and their last output has been read."""
        await process.wait()
        for task in tasks[:3]:  # the gate and the watchers; the others read
            task.cancel()
        if self._group is not None:
            await run_briefly(self._group.kill)  # a fork may have raced the first kill
        self._status.read()
        await self._wait_for_inside()
        if readers := tasks[3:]:
            await asyncio.wait(readers, timeout=_CLOSING_SECONDS)
        for task in tasks:
            task.cancel()

    def _start_reading(self) -> list[asyncio.Task[None]]:
        limits = self._sandboxed.limits
        log_rate, report_rate = (_LOG_RATE, _REPORT_RATE) if self._sandboxed.live else ((), ())
        log_caps = StreamLimits(4 * MAX_LOG_LINE, limits.log_bytes, limits.log_lines, *log_rate)
        log = LineSplitter(self._on_log, log_caps, cut=True)
        report_caps = StreamLimits(_MAX_REPORT_LINE, limits.report_bytes, limits.report_lines, *report_rate)
        report = LineSplitter(self._on_report, report_caps, cut=False)
        tasks = [
            asyncio.create_task(self._open_gate()),
            asyncio.create_task(self.watcher.watch()),
            asyncio.create_task(self._watch_memory()),
            asyncio.create_task(read_lines(self._log.read, log, lambda: self._end(Ending.LOG_LIMIT))),
            asyncio.create_task(
                read_lines(self._report.read, report, lambda: self._end(Ending.REPORT_LIMIT))
            ),
        ]
        for task in tasks:
            task.add_done_callback(self._end_if_failed)
        return tasks

    async def _open_gate(self) -> None:
        """Starts the waiting program once the file systems that it writes to are held."""
        if self._command.gate is None:
            return
        # If the builder fails meanwhile, it logs the reason itself.
        with contextlib.suppress(EOFError, ProcessLookupError, ConnectionError):
            pid = await self._status.child_pid()
            self._inside = os.pidfd_open(pid)
            try:
                await self._command.gate.open(lambda: self._command.writable.hold(pid))
            except PermissionError:
                self._tail.append(_OUTPUT_NOT_OPENED)
                self._end(Ending.SANDBOX_FAILED)

    async def _wait_for_inside(self) -> None:
        """Waits until the namespace's first process is gone, and with it all others inside.

        bubblewrap itself ends as soon as it knows the exit code, while the kernel still kills the others.
        """
        if self._inside is None:
            return
        gone, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.add_reader(self._inside, gone.set)
        try:
            await asyncio.wait_for(gone.wait(), _DYING_SECONDS)
        except TimeoutError:
            # Its output may still change, so it is not checked. It is the program that does not die: blaming
            # this machine would let a scene fail again and again.
            self._tail.append("The processes in the sandbox do not end.")
            self._reason = self._reason or Ending.TIMEOUT
        finally:
            loop.remove_reader(self._inside)
            os.close(self._inside)

    def _end_if_failed(self, task: asyncio.Task[None]) -> None:
        # A reader fails only if the caller's callback fails; then nothing would empty the pipe any more.
        if not task.cancelled() and task.exception() is not None:
            self._kill()

    def _on_log(self, line: bytes) -> None:
        if text := strip(line):
            self._tail.append(text)
            self._sandboxed.on_log(text)

    def _on_report(self, line: bytes) -> None:
        if self._reason is Ending.REPORT_LIMIT:
            return
        self._sandboxed.on_report(line)
        if self._sandboxed.flooded():
            self._end(Ending.REPORT_LIMIT)
        if self.watcher.stop_at == math.inf and self._sandboxed.finished():
            self.watcher.stop_at = time.monotonic() + self._sandboxed.grace_seconds

    async def _watch_memory(self) -> None:
        if self._group is None and self._process is not None:
            await self.watcher.watch_memory(self._process.pid)

    def _end(self, reason: Ending) -> None:
        if self._reason is None:
            self._reason = reason
        self._kill()

    def _kill(self) -> None:
        # The namespaces die with the process that built them, and everything inside dies with them. At a
        # level without namespaces, detached processes are in the control group or below the living program.
        if self._process is not None:
            if self._command.gate is None and self._group is None and self._process.returncode is None:
                resource_usage.kill_below(self._process.pid)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        if self._group is not None:
            self._group.kill_once()

    async def _exit(self, returncode: int) -> RunExit:
        code, built = self._status.exit_code(returncode)
        if self._command.gate is not None and not self._command.gate.is_open:
            code, built = returncode, False
        ending = self._reason or await self._classify(code, built)
        return RunExit(
            ending=ending,
            code=max(code, 0),
            signal=_signal_of(code),
            seconds=time.monotonic() - self._started,
            peak_memory_bytes=self.peak_memory_bytes,
            log_tail=tuple(self._tail),
        )

    async def _classify(self, code: int, built: bool) -> Ending:
        if self._group is not None and self._group.out_of_memory():
            return Ending.OOM
        if not built:
            return Ending.SANDBOX_FAILED
        number = _signal_of(code)
        if number == signal.SIGXCPU:
            return Ending.CPU_LIMIT
        if number == signal.SIGXFSZ or await self.watcher.exceeds_output():
            return Ending.OUTPUT_LIMIT
        if code != 0 and self._group is not None and self._group.out_of_pids():
            return Ending.PIDS
        return Ending.CRASHED if number else Ending.EXITED


def _signal_of(code: int) -> int:
    if code < 0:
        return -code
    return code - 128 if 128 < code <= 128 + 64 else 0
