"""A run while it lives: what the worker can do with it, and how it is started and ended."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import replace
from pathlib import Path

from veriframe.adapters.blender.outputs import OutputFault
from veriframe.adapters.blender.sandbox.command import Ends, SandboxCommand
from veriframe.adapters.blender.sandbox.limits import cgroup, host_errors, resource_usage
from veriframe.adapters.blender.sandbox.output_mounts import Writable
from veriframe.adapters.blender.sandbox.pipes import Pipe
from veriframe.adapters.blender.sandbox.process import Process
from veriframe.adapters.blender.sandbox.run import Ending, LiveRun, RunExit, Sandbox, SandboxedRun
from veriframe.threads import run_briefly, run_uninterrupted, wait_for_end


@contextlib.asynccontextmanager
async def started(
    run: SandboxedRun, build: Callable[[Ends], SandboxCommand], *, use_cgroup: bool
) -> AsyncIterator[RunningProgram]:
    """Starts `run` in the sandbox that `build` describes. Leaving the context kills everything."""
    async with contextlib.AsyncExitStack() as stack:
        group = None
        hierarchy = cgroup.find() if use_cgroup else None
        if hierarchy is not None:
            group = cgroup.ControlGroup(hierarchy, memory_bytes=run.limits.memory_bytes, pids=run.limits.pids)
            stack.push_async_callback(run_briefly, group.close)
        log, report = (stack.enter_context(contextlib.closing(Pipe())) for _ in range(2))
        # A bubblewrap that cannot write its status leaves its child waiting indefinitely.
        status = stack.enter_context(contextlib.closing(Pipe(outlives_reader=True)))
        commands = stack.enter_context(contextlib.closing(Pipe())) if run.live else None
        command = build(Ends(report.write, status.write, commands.read if commands else None))
        process = Process(run, command, group, (log, report, status), commands)
        running = RunningProgram(run, process, command.writable, commands)
        try:
            yield running
        finally:
            await running.close()


class RunningProgram(LiveRun):
    """One run: its process, where it writes, and its commands if it is live."""

    def __init__(
        self, run: SandboxedRun, process: Process, writable: Writable, commands: Pipe | None
    ) -> None:
        self._run, self._process, self._writable, self._commands = run, process, writable, commands
        self._frozen: set[int] = set()
        self._ending = asyncio.create_task(process.run())
        self._ending.add_done_callback(lambda _: run.on_end())

    @property
    def deadline(self) -> float:
        """That of the watcher, which compares it several times a second."""
        return self._process.watcher.deadline

    @deadline.setter
    def deadline(self, deadline: float) -> None:
        self._process.watcher.deadline = deadline

    @property
    def has_ended(self) -> bool:
        """Whether every process inside is dead."""
        return self._ending.done()

    @property
    def peak_memory_bytes(self) -> int:
        """As the control group or the watcher has measured it."""
        return self._process.peak_memory_bytes

    async def wait(self) -> RunExit:
        """Waits for the end. Being cancelled does not end the run."""
        await asyncio.wait([self._ending])
        with host_errors.as_unavailable():
            return self._ending.result()

    async def close(self) -> None:
        """Kills everything inside. Returns when it is gone, even if cancelled."""
        self._ending.cancel()
        await wait_for_end(self._ending)
        if not self._ending.cancelled():
            self._ending.exception()  # retrieved, so that asyncio does not warn about it

    async def finish(self) -> RunExit:
        """Waits for the end and copies the expected files to the run's `out`."""
        end, out = await self.wait(), self._run.out
        if out is None or end.ending in (Ending.SANDBOX_FAILED, Ending.OUTPUT_LIMIT, Ending.TIMEOUT):
            return end
        with host_errors.as_unavailable():
            collecting = run_uninterrupted(self._writable.collect, self._run, out)
            return replace(end, fault=await collecting)

    async def send(self, line: bytes) -> None:
        """Writes as the program reads."""
        assert self._commands is not None
        sending = asyncio.ensure_future(self._commands.send(line + b"\n"))
        try:
            # A process that outlives the run may hold the other end open.
            await asyncio.wait([sending, self._ending], return_when=asyncio.FIRST_COMPLETED)
        finally:
            sending.cancel()

    async def take(self, name: str, target: Path, *, later: Collection[str]) -> OutputFault | None:
        """Moves a file out of the output folder to `target`, or returns a fault."""
        limits, writable = self._run.limits, self._writable
        with host_errors.as_unavailable():
            return await run_uninterrupted(writable.take, name, target, later, limits)

    def forget_taken(self) -> None:
        """Its output begins anew."""
        self._writable.taken_bytes = 0

    async def freeze(self, *, trusted: bool = False) -> None:
        """Stops all processes, builders included, so that none is left to continue another."""
        if (root := self._process.pid) is None or trusted:
            self._process.watcher.paused = True
            return
        resource_usage.signal_all([root], signal.SIGSTOP)
        with host_errors.as_unavailable():
            self._frozen |= {root} | await run_uninterrupted(resource_usage.stop_below, root)
            before = await run_uninterrupted(resource_usage.measure_tree, root)
        self._process.watcher.rest(root, before)

    async def thaw(self) -> None:
        """Continues them."""
        if self._process.pid is not None:
            resource_usage.signal_all(self._frozen, signal.SIGCONT)
        self._frozen.clear()
        self._process.watcher.resume()

    async def memory_bytes(self) -> int:
        """Measures the whole tree once."""
        if (root := self._process.pid) is None:
            return 0
        pids = (await run_uninterrupted(resource_usage.measure_tree, root)).pids
        files = self._writable.memory_bytes()
        return files + await run_uninterrupted(resource_usage.proportional_bytes, pids, shared=False)


class LiveSandbox(Sandbox):
    """What the levels share: a run to the end is a live run that is waited for."""

    def __init__(self, *, use_cgroup: bool) -> None:
        self._use_cgroup = use_cgroup
        hierarchy = cgroup.find() if use_cgroup else None
        self.memory_held_by = f"cgroup v{hierarchy.version}" if hierarchy else "watcher"

    async def run(self, run: SandboxedRun) -> RunExit:
        """Runs the program to its end. Never raises for anything that the program does.

        Raises `HostUnavailable`.
        """
        async with self.start(run) as running:
            return await running.finish()

    @contextlib.asynccontextmanager
    async def start(self, run: SandboxedRun) -> AsyncIterator[RunningProgram]:
        """Starts the program. Entering the context raises `HostUnavailable`."""
        async with contextlib.AsyncExitStack() as stack:
            with host_errors.as_unavailable():
                running = await self._start(run, stack)
            yield running

    @abstractmethod
    async def _start(self, run: SandboxedRun, stack: contextlib.AsyncExitStack) -> RunningProgram:
        """Starts the program; `stack` ends it. May raise `OSError`."""
