"""The shell prologue of a run, before the sandbox is built: control groups, OOM score and resource limits."""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence
from pathlib import Path

from veriframe.adapters.blender.sandbox.run import RunLimits

_OPEN_FILES = 4096

# Runs outside the sandbox, as the worker's own user: joins the control groups, makes the kernel kill this
# process first if memory runs out, sets resource limits, and executes the command that builds the sandbox.
_PROLOGUE = """
while [ "$1" != "--" ]; do echo $$ > "$1/cgroup.procs" || exit 125; shift; done; shift
echo 800 > /proc/self/oom_score_adj
ulimit -c 0; ulimit -n "$1"; ulimit -f "$3"
# With the hard limit above the soft one, a run that exceeds its processor time ends by SIGXCPU.
[ "$2" = unlimited ] || { ulimit -S -t "$2"; ulimit -H -t $(($2 + 5)); }
shift 3
exec "$@"
"""


def command(
    argv: Sequence[str], limits: RunLimits, groups: Sequence[Path], *, max_file_bytes: int
) -> list[str]:
    """Returns the command line that joins the groups, sets the limits and executes `argv`."""
    hard_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    open_files = _OPEN_FILES if hard_files == resource.RLIM_INFINITY else min(_OPEN_FILES, hard_files)
    # All cores for the whole wall-clock limit, and a margin: normally the wall-clock limit ends a run.
    cpu_seconds = int(limits.wall_seconds * (os.cpu_count() or 1)) + 10 if limits.wall_seconds else 0
    file_blocks = max_file_bytes // 512
    numbers = [str(open_files), str(cpu_seconds or "unlimited"), str(file_blocks)]
    return ["/bin/sh", "-c", _PROLOGUE, "veriframe-run", *map(str, groups), "--", *numbers, *argv]
