"""The command line that builds a sandbox and runs one program in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from veriframe.adapters.blender.sandbox.output_mounts import Writable
from veriframe.adapters.blender.sandbox.pipes import Gate


@dataclass(frozen=True, slots=True)
class Ends:
    """The inner ends of a run's pipes: reports, the builders' status, and commands for a live program."""

    report: int
    status: int
    commands: int | None

    @property
    def variables(self) -> Mapping[str, int]:
        """The variables by which the program finds its own."""
        commands = {} if self.commands is None else {"COMMAND_FD": self.commands}
        return {"REPORT_FD": self.report, **commands}


@dataclass(frozen=True, slots=True)
class SandboxCommand:
    """A command line that builds the sandbox, runs the program and reports its progress as JSON.

    bubblewrap writes `child-pid` and then `exit-code` to the status descriptor. Our own launcher writes
    `started` right before it executes the program, and `failed` if that failed. `writable` is where the
    program writes. `gate` is what the program waits for.
    """

    argv: Sequence[str]
    environment: Mapping[str, str]
    writable: Writable
    descriptors: Sequence[int] = ()
    gate: Gate | None = None
