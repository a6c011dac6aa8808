"""The interface of the sandbox: one run of an untrusted program, its limits and its end."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from pathlib import Path, PurePosixPath
from typing import Protocol

from veriframe.adapters.blender.outputs import OutputFault


class Level(IntEnum):
    """How strong the sandbox is; higher is stronger. Shown in the log, by the doctor and in the manifest."""

    NONE = 0
    CONTAINER = 1
    LANDLOCK = 2
    STRICT = 3


class Ending(StrEnum):
    """How a run ended, as seen from outside. Only EXITED has a meaningful exit code."""

    EXITED = "EXITED"
    CRASHED = "CRASHED"
    OOM = "OOM"
    TIMEOUT = "TIMEOUT"
    CPU_LIMIT = "CPU_LIMIT"
    PIDS = "PIDS"
    OUTPUT_LIMIT = "OUTPUT_LIMIT"
    LOG_LIMIT = "LOG_LIMIT"
    REPORT_LIMIT = "REPORT_LIMIT"
    STOPPED = "STOPPED"
    """Killed by the worker: the program had finished, but did not end within `grace_seconds`."""
    SANDBOX_FAILED = "SANDBOX_FAILED"
    """The sandbox itself could not be built: the program never ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """What one run may use. `wall_seconds` is wall-clock time; 0 means no limit."""

    wall_seconds: float
    memory_bytes: int
    pids: int = 256
    """Processes and threads together."""
    output_bytes: int = 2 * 2**30
    log_bytes: int = 16 * 2**20
    log_lines: int = 250_000
    report_bytes: int = 64 * 2**20
    report_lines: int = 20_000
    tmp_bytes: int = 2 * 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxedRun:
    """An untrusted program and everything that it may see.

    `argv` elements that are `PurePosixPath` are paths *inside* the sandbox; a level without a mount
    namespace replaces them with the host's paths. `visible` maps inside paths to host paths (files or
    folders), all read-only. `out` is a new, empty host folder: after the program's end, the files in `/out`
    are copied there if they are exactly the `expected` names; otherwise nothing is copied.
    With `live`, the environment variable `COMMAND_FD` names the read end of a pipe, for the lines that
    `LiveRun.send` writes, and `/out` exists without `out`.
    The environment variable `REPORT_FD` names a file descriptor, the write end of a pipe: each line written
    there is passed to `on_report` as bytes without the newline. A line over 1 MiB ends the run: REPORT_LIMIT.
    Lines of stdout and stderr are passed to `on_log`, stripped of control characters.
    """

    argv: tuple[str | PurePosixPath, ...]
    limits: RunLimits
    visible: Mapping[PurePosixPath, Path] = field(default_factory=dict)
    out: Path | None = None
    expected: Collection[str] = ()
    live: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    on_report: Callable[[bytes], None] = lambda line: None
    on_log: Callable[[str], None] = lambda line: None
    finished: Callable[[], bool] = lambda: False
    """Called after each report line: true starts the grace period, after which the run is STOPPED."""
    flooded: Callable[[], bool] = lambda: False
    """Called after each report line: true ends the run at once, with REPORT_LIMIT."""
    on_end: Callable[[], None] = lambda: None
    """Called once the run has ended and everything that it reported has been passed on."""
    grace_seconds: float = 10.0

    @property
    def has_output(self) -> bool:
        """Whether the program has an output folder."""
        return self.live or self.out is not None


OUT = PurePosixPath("/out")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunExit:
    """How a run ended and what it used. `log_tail` holds the last lines of output, stripped.

    `fault`: what was wrong with its output, so that none of it was copied. Not checked if the sandbox failed
    or the output was too large.
    """

    ending: Ending
    code: int
    signal: int
    seconds: float
    peak_memory_bytes: int
    log_tail: tuple[str, ...]
    fault: OutputFault | None = None


class LiveRun(Protocol):
    """A program that runs in the sandbox, from its start to the end of everything inside."""

    deadline: float
    """When the run ends with TIMEOUT, by `time.monotonic`; at first, `wall_seconds` after its start."""

    @property
    @abstractmethod
    def has_ended(self) -> bool:
        """Whether every process inside is dead and all output has been passed on."""

    @property
    @abstractmethod
    def peak_memory_bytes(self) -> int:
        """The peak memory so far; 0 if the kernel does not report it."""

    @abstractmethod
    async def wait(self) -> RunExit:
        """Wait for the end. Raises `HostUnavailable` if this machine could not carry out the run."""

    @abstractmethod
    async def send(self, line: bytes) -> None:
        """Write a line to a live program. Returns if the program has ended, or closed its end."""

    @abstractmethod
    async def take(self, name: str, target: Path, *, later: Collection[str]) -> OutputFault | None:
        """Move a file out of the output folder to `target`, or return a fault.

        `later`: the only other names that may be there. All files that are taken count as output. Raises
        `HostUnavailable` if it cannot be written.
        """

    @abstractmethod
    def forget_taken(self) -> None:
        """From now on, what was taken before does not count as output any more."""

    @abstractmethod
    async def freeze(self, *, trusted: bool = False) -> None:
        """Stop all processes inside, so that they use no processor time.

        `trusted`: nothing inside is hostile yet. It goes on, so that its end is noticed; only its memory and
        output are not watched.
        """

    @abstractmethod
    async def thaw(self) -> None:
        """Let them continue."""

    @abstractmethod
    async def memory_bytes(self) -> int:
        """The memory that the processes hold now, shared pages counted once."""


class Sandbox(Protocol):
    """A sandbox of one level. Cancelling `run` kills everything inside before it returns."""

    level: Level
    memory_held_by: str
    """`cgroup v1`, `cgroup v2` or `watcher`."""

    @abstractmethod
    def start(self, run: SandboxedRun) -> AbstractAsyncContextManager[LiveRun]:
        """Start the program. Leaving the context kills everything inside and removes its output.

        Entering it raises `HostUnavailable`.
        """

    @abstractmethod
    async def run(self, run: SandboxedRun) -> RunExit:
        """Run the program to its end. Never raises for anything that the program does.

        Raises `HostUnavailable` if this machine has no space or no file descriptors for it.
        """

    @abstractmethod
    def command(self, run: SandboxedRun) -> list[str]:
        """The exact command line, to be logged and pasted into a shell."""
