"""The levels without namespaces: LANDLOCK, and CONTAINER and NONE, which only set limits."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from veriframe import disk
from veriframe.adapters.blender.sandbox import live, output_mounts, temporary, visible
from veriframe.adapters.blender.sandbox.command import Ends, SandboxCommand
from veriframe.adapters.blender.sandbox.levels import launcher, seccomp
from veriframe.adapters.blender.sandbox.run import Level, SandboxedRun
from veriframe.threads import run_uninterrupted

_READABLE = (
    *("/usr", *visible.SYSTEM_LINKS, *visible.SYSTEM_FILES),
    # Not all of /proc/self, which shows the host's mounts. A writable /dev/zero would allow hidden memory.
    *(f"/proc/self/{name}" for name in ("status", "stat", "statm", "maps", "cmdline", "environ", "fd")),
    *("/dev/zero", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/sys/devices/system/cpu"),
)
_WRITABLE = ("/dev/null", "/dev/full", "/dev/random", "/dev/urandom")


class UnnamespacedSandbox(live.LiveSandbox):
    """Runs a program through `launcher.py`, with a temporary folder of its own.

    LANDLOCK restricts files by Landlock, sockets and dangerous calls by seccomp, and as root uses another
    user. CONTAINER and NONE limit memory, processes, output and time, and nothing else.
    """

    def __init__(self, level: Level, *, use_cgroup: bool = True) -> None:
        """Prepares the sandbox; starts nothing."""
        self.level = level
        self._uses_landlock = level is Level.LANDLOCK
        self._user = visible.SANDBOX_UID if self._uses_landlock and os.geteuid() == 0 else None
        super().__init__(use_cgroup=use_cgroup)

    async def _start(self, run: SandboxedRun, stack: contextlib.AsyncExitStack) -> live.RunningProgram:
        scratch, out = [await stack.enter_async_context(self._folder(name)) for name in ("run", "out")]
        inside = replace(run, out=out)
        filter_fd = self._filter(stack)

        def build(ends: Ends) -> SandboxCommand:
            return SandboxCommand(
                argv=self._argv(inside, scratch, ends, filter_fd),
                environment={"PATH": visible.SEARCH_PATH},
                writable=output_mounts.HostFolders(scratch, out),
                descriptors=() if filter_fd is None else (filter_fd,),
            )

        return await stack.enter_async_context(live.started(run, build, use_cgroup=self._use_cgroup))

    def _filter(self, stack: contextlib.AsyncExitStack) -> int | None:
        # Landlock does not cover changes of metadata, and the sandbox user may own the worker's files.
        return stack.enter_context(seccomp.as_descriptor(keep_metadata=True)) if self._uses_landlock else None

    @contextlib.asynccontextmanager
    async def _folder(self, name: str) -> AsyncIterator[Path]:
        with temporary.locked(name) as folder:
            try:
                if self._user is not None:
                    visible.chown_to_sandbox(folder)
                yield folder
            finally:
                await run_uninterrupted(disk.remove, folder)

    def command(self, run: SandboxedRun) -> list[str]:
        """Returns the program's command line. A shell cannot express the launcher's restrictions."""
        return [visible.on_host(run, word) for word in run.argv]

    def _argv(self, run: SandboxedRun, scratch: Path, ends: Ends, filter_fd: int | None) -> list[str]:
        out = () if run.out is None else (str(run.out),)
        plan = launcher.LaunchPlan(
            parent=os.getpid(),
            status_fd=ends.status,
            user=self._user,
            readable=[*_READABLE, *map(str, run.visible.values())],
            writable=[*_WRITABLE, str(scratch), *out],
            landlock=self._uses_landlock,
            filter_fd=filter_fd,
            environment=visible.environment(run, ends.variables, str(scratch)),
            folder=str(scratch),
        )
        interpreter = os.path.realpath(sys.executable)
        return [interpreter, "-I", "-S", launcher.__file__, json.dumps(plan), "--", *self.command(run)]
