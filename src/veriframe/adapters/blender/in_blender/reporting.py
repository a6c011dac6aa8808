"""How a script inside Blender talks to the worker: JSON lines into a pipe. Standard library only."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

MOST_TEXT = 300
"""Characters of any one text in a report."""

_lock = threading.Lock()


def report(kind: str, **fields: Any) -> None:  # noqa: ANN401 - whatever JSON can say
    """Send one event. The worker reads until the pipe ends, so a line is never lost, and never waits long.

    Without a worker, as when its logged command is pasted into a shell, events go to standard output.
    """
    line = json.dumps({"kind": kind, **fields}, ensure_ascii=True).encode() + b"\n"
    descriptor = int(os.environ.get("REPORT_FD", "1"))
    with _lock:
        view = memoryview(line)
        while view:
            view = view[os.write(descriptor, view) :]


def arguments() -> list[str]:
    """The script's own arguments: after `--` inside a Blender executable, all of them otherwise."""
    given = sys.argv[1:]
    return given[given.index("--") + 1 :] if "--" in given else given


def run(main: Callable[[], None]) -> None:
    """Run a script's `main`, tell what it stumbled over, and end the process either way."""
    try:
        main()
    except Exception as error:  # noqa: BLE001  # Blender raises what it likes
        report("failed", error=f"{type(error).__name__}: {error}"[:MOST_TEXT])
        leave(1)
    leave(0)


def leave(code: int) -> None:
    """End the process now. A finished Blender may hang while it tears itself down."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def heartbeat(beat: Callable[[], None], every_seconds: float = 0.5) -> None:
    """Call `beat` again and again from a thread of its own; Blender lets Python run while it renders."""

    def run() -> None:
        while True:
            time.sleep(every_seconds)
            beat()

    threading.Thread(target=run, daemon=True).start()


def memory_bytes(name: str) -> int:
    """This process's `VmRSS` (now) or `VmHWM` (peak); 0 where that cannot be read."""
    with contextlib.suppress(OSError), open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123  # runs in any Blender's Python
        for line in status:
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
    return 0
