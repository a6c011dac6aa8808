"""A run that is cancelled repeatedly during its clean-up leaves nothing behind."""

from __future__ import annotations

import asyncio
import time

import pytest
from tests.integration.sandbox_runs import (
    LIMITS,
    groups,
    open_files,
    own_temporary_folder,
    processes_with,
    sandbox,
    temporary,
)

from veriframe.adapters.blender.sandbox.run import Sandbox, SandboxedRun

__all__ = ["own_temporary_folder", "sandbox"]


async def test_repeated_cancelling_leaves_nothing_behind(sandbox: Sandbox) -> None:
    """fault_74: users press Ctrl-C again while the first one is being handled."""
    mark, up = f"again-{time.monotonic_ns()}", asyncio.Event()
    await asyncio.to_thread(lambda: None)  # its thread keeps files open
    files, before = open_files(), temporary()
    script = f": {mark}; cd $HOME; for n in {{1..2000}}; do : > $n; done; echo up >&$REPORT_FD; sleep 60; :"
    run = SandboxedRun(
        argv=("/bin/bash", "-c", script),
        limits=LIMITS,
        on_report=lambda _: up.set(),
    )
    task = asyncio.create_task(sandbox.run(run))
    await asyncio.wait_for(up.wait(), 10)
    while not task.done():
        task.cancel()
        await asyncio.sleep(0.001)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert processes_with(mark) == []
    assert groups() == []
    assert temporary() == before
    await asyncio.sleep(0)
    assert files == open_files()
