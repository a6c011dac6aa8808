"""What happens right before the walls are built: control groups, a mark for the kernel, small limits."""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence
from pathlib import Path

from veriframe.adapters.blender.sandbox.run import RunLimits

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


def command(argv: Sequence[str], limits: RunLimits, groups: Sequence[Path]) -> list[str]:
    """The command line that joins the groups, takes the limits upon itself, and becomes `argv`."""
    hard_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    open_files = _OPEN_FILES if hard_files == resource.RLIM_INFINITY else min(_OPEN_FILES, hard_files)
    # CPU seconds: all cores for the whole wall clock; only the wall clock is meant to be met.
    cpu_seconds = int(limits.wall_seconds * (os.cpu_count() or 1)) + 10 if limits.wall_seconds else 0
    file_blocks = limits.output_bytes // 512 + 1
    numbers = [str(open_files), str(cpu_seconds or "unlimited"), str(file_blocks)]
    return ["/bin/sh", "-c", _PROLOGUE, "veriframe-cell", *map(str, groups), "--", *numbers, *argv]
