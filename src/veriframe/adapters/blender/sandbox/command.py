"""The command line that builds a sandbox and runs one program in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from veriframe.adapters.blender.sandbox.output_mounts import Writable
from veriframe.adapters.blender.sandbox.pipes import Gate


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
