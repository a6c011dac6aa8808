"""Sends reports from a script inside Blender to the worker, and reads its commands: JSON lines in pipes.

Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

MAX_TEXT = 300
"""The longest text in a report, in characters."""

_lock = threading.Lock()


def report(kind: str, **fields: Any) -> None:  # noqa: ANN401 - any JSON value
    """Send one event. The worker reads until the pipe closes, so no line is lost or blocks for long.

    Without a worker, for example if its logged command is pasted into a shell, events go to standard output.
    """
    line = json.dumps({"kind": kind, **fields}, ensure_ascii=True).encode() + b"\n"
    descriptor = int(os.environ.get("REPORT_FD", "1"))
    with _lock:
        view = memoryview(line)
        while view:
            view = view[os.write(descriptor, view) :]


def commands() -> Iterator[str]:
    """The worker's commands, until it closes the pipe. Without a worker, they come from standard input."""
    with open(int(os.environ.get("COMMAND_FD", "0")), encoding="ascii") as pipe:  # noqa: PTH123 - a descriptor
        yield from pipe


def arguments() -> list[str]:
    """The script's own arguments: those after `--` in a Blender executable, otherwise all."""
    given = sys.argv[1:]
    return given[given.index("--") + 1 :] if "--" in given else given


def run(main: Callable[[], None]) -> None:
    """Run a script's `main`, report its error if it fails, and end the process in both cases."""
    try:
        main()
    except Exception as error:  # noqa: BLE001  # Blender raises arbitrary exceptions
        report("failed", error=f"{type(error).__name__}: {error}"[:MAX_TEXT])
        leave(1)
    leave(0)


def leave(code: int) -> None:
    """End the process now. Blender may hang in its normal shutdown."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def heartbeat(beat: Callable[[], None], every_seconds: float = 0.5) -> None:
    """Call `beat` periodically from a separate thread; Python threads run while Blender renders."""

    def run() -> None:
        while True:
            time.sleep(every_seconds)
            beat()

    threading.Thread(target=run, daemon=True).start()


def memory_bytes(name: str) -> int:
    """This process's `VmRSS` (current) or `VmHWM` (peak) in bytes; 0 if it cannot be read."""
    with contextlib.suppress(OSError), open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123  # runs in any Blender's Python
        for line in status:
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
    return 0
