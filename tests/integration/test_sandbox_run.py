"""Programs in real sandboxes: how they end, and their limits."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from tests.integration.sandbox_runs import (
    BUILDERS,
    LIMITS,
    MIB,
    PYTHON,
    RUNTIME,
    Received,
    groups,
    open_files,
    processes_with,
    reachable,
    run_shell,
    sandbox,
)

from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox
from veriframe.adapters.blender.sandbox.run import (
    Ending,
    Level,
    Sandbox,
    SandboxedRun,
)

__all__ = ["sandbox"]


@pytest.mark.parametrize("code", [0, 7, 125, 127])
async def test_the_programs_own_exit_code_is_passed_on(sandbox: Sandbox, code: int) -> None:
    """Also the codes that the sandbox's builders use themselves."""
    end = await run_shell(sandbox, f"exit {code}")
    assert (end.ending, end.code, end.signal) == (Ending.EXITED, code, 0)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
async def test_a_crash_is_reported_with_its_signal(sandbox: Sandbox, number: signal.Signals) -> None:
    """fault_20, fault_38: 139 and 134 are crashes, and so is 137 if memory did not run out."""
    end = await run_shell(sandbox, f"kill -{number.name[3:]} $$; sleep 5")
    assert (end.ending, end.signal) == (Ending.CRASHED, number)


async def test_a_missing_program_is_the_sandboxs_fault(sandbox: Sandbox) -> None:
    """The job must not be blamed."""
    end = await sandbox.run(SandboxedRun(argv=("/no/such/program",), limits=LIMITS))
    assert end.ending is Ending.SANDBOX_FAILED
    assert "/no/such/program" in " ".join(end.log_tail)


async def test_a_path_that_cannot_be_shown_is_the_sandboxs_fault(tmp_path: Path) -> None:
    """The program does not run without its files."""
    visible = {PurePosixPath("/job/scene"): tmp_path / "gone"}
    end = await run_shell(BubblewrapSandbox(), "exit 0", visible=visible)
    assert end.ending is Ending.SANDBOX_FAILED


async def test_time_runs_out(sandbox: Sandbox) -> None:
    """fault_29: wall-clock time."""
    end = await run_shell(sandbox, "trap '' TERM; sleep 60", limits=replace(LIMITS, wall_seconds=0.5))
    assert end.ending is Ending.TIMEOUT
    assert 0.5 < end.seconds < 3


async def test_processor_time_runs_out(sandbox: Sandbox) -> None:
    """The kernel's signal for it does not count as a crash."""
    end = await run_shell(sandbox, "ulimit -S -t 1; while :; do :; done")
    assert end.ending is Ending.CPU_LIMIT


async def test_one_file_that_is_too_large(sandbox: Sandbox, tmp_path: Path) -> None:
    """The kernel stops the write itself, before the folder is measured."""
    out = reachable(tmp_path)
    end = await run_shell(
        sandbox, "cd $0; exec dd if=/dev/zero of=a bs=1M count=50", out=out, expected=("a",)
    )
    assert end.ending is Ending.OUTPUT_LIMIT
    assert list(out.iterdir()) == []


async def test_too_many_files(tmp_path: Path) -> None:
    """Even empty ones."""
    script = "cd /out; i=0; while [ $i -lt 30000 ]; do i=$((i+1)); : > $i; done; sleep 5"
    assert (
        await run_shell(BubblewrapSandbox(), script, out=reachable(tmp_path))
    ).ending is Ending.OUTPUT_LIMIT


async def test_temporary_files_are_limited_too(sandbox: Sandbox) -> None:
    """By the size of a tmpfs, or by the watcher."""
    end = await run_shell(
        sandbox, "for i in 1 2 3 4; do head -c 3M /dev/zero > $HOME/$i || exit 9; done; sleep 2"
    )
    full = (Ending.EXITED, 9) if sandbox.level is Level.STRICT else (Ending.OUTPUT_LIMIT, 9)
    assert full[0] == end.ending
    assert sandbox.level < Level.STRICT or full[1] == end.code


async def test_a_flood_of_log_ends_the_run(sandbox: Sandbox) -> None:
    """fault_35: at the byte limit; the last lines before it are kept."""
    received = Received()
    end = await run_shell(sandbox, "yes", received=received, limits=replace(LIMITS, log_bytes=MIB))
    assert end.ending is Ending.LOG_LIMIT
    assert {"y"} == set(received.lines) == set(end.log_tail)
    assert len(received.lines) <= MIB // 2


@pytest.mark.parametrize(
    "script",
    ["yes >&$REPORT_FD", "head -c 1100000 /dev/zero >&$REPORT_FD; sleep 9"],
    ids=["many lines", "one endless line"],
)
async def test_a_flood_of_reports_ends_the_run(sandbox: Sandbox, script: str) -> None:
    """By the total size, and by the length of one line."""
    end = await run_shell(sandbox, script, limits=replace(LIMITS, report_bytes=2 * MIB))
    assert end.ending is Ending.REPORT_LIMIT


async def test_reports_and_log_lines_arrive_separately(sandbox: Sandbox) -> None:
    """fault_36: reports raw, log lines stripped; also the last line without a newline."""
    received = Received()
    script = r"printf 'one\ntwo' >&$REPORT_FD; printf '\033[31mred\033[0m\nlast'; echo err >&2"
    end = await run_shell(sandbox, script, received=received)
    assert received.reports == [b"one", b"two"]
    assert received.lines == ["red", "lasterr"]
    assert end.log_tail == ("red", "lasterr")


async def test_a_program_that_hangs_after_its_work_is_stopped(sandbox: Sandbox) -> None:
    """fault_40: after the grace period, and not as a failure."""
    received = Received()
    end = await run_shell(
        sandbox,
        "echo done >&$REPORT_FD; sleep 60",
        received=received,
        finished=lambda: b"done" in received.reports,
        grace_seconds=0.3,
    )
    assert end.ending is Ending.STOPPED
    assert 0.3 < end.seconds < 3


async def test_an_error_of_a_callback_ends_the_run_and_is_raised(sandbox: Sandbox) -> None:
    """Otherwise the program would block on a pipe that nobody reads."""

    def fail(_: bytes) -> None:
        raise LookupError("a bug")

    started = time.monotonic()
    with pytest.raises(LookupError):
        await sandbox.run(
            SandboxedRun(
                argv=("/bin/bash", "-c", "echo x >&$REPORT_FD; sleep 60"), limits=LIMITS, on_report=fail
            )
        )
    assert time.monotonic() - started < 5


async def test_cancelling_kills_everything(sandbox: Sandbox) -> None:
    """fault_74: no process, control group or pipe is left when the caller continues."""
    mark = f"cancel-{time.monotonic_ns()}"
    up = asyncio.Event()
    files = open_files()
    # Daemons too: a child of the program, and a process without a parent.
    daemon = f"setsid bash -c ': {mark}; sleep 60; :' &"
    script = f": {mark}; trap '' TERM; {daemon} ( {daemon} ) ; echo up >&$REPORT_FD; sleep 60; :"
    run = SandboxedRun(argv=("/bin/bash", "-c", script), limits=LIMITS, on_report=lambda _: up.set())
    task = asyncio.create_task(sandbox.run(run))
    await asyncio.wait_for(up.wait(), 10)
    assert processes_with(mark)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert processes_with(mark) == []
    assert groups() == []
    await asyncio.sleep(0)
    assert files == open_files()


async def test_concurrent_runs_do_not_mix(sandbox: Sandbox) -> None:
    """Each has its own pipes, folders and limits, and leaves no file open."""
    await run_shell(sandbox, "exit 0")
    files = open_files()
    received = [Received() for _ in range(6)]
    ends = await asyncio.gather(
        *(run_shell(sandbox, f"echo {n} >&$REPORT_FD; exit {n}", received=received[n]) for n in range(6))
    )
    assert [end.code for end in ends] == [0, 1, 2, 3, 4, 5]
    assert [[b"%d" % n] for n in range(6)] == [each.reports for each in received]
    await asyncio.sleep(0)
    assert files == open_files()


async def test_memory_is_measured(sandbox: Sandbox) -> None:
    """The peak includes all pages that were written."""
    script = "import time; ballast = b'x' * (64 * 2**20); time.sleep(0.4)"
    end = await sandbox.run(
        SandboxedRun(argv=(PYTHON, "-I", "-S", "-c", script), limits=LIMITS, visible=RUNTIME)
    )
    assert end.ending is Ending.EXITED
    assert 64 * MIB < end.peak_memory_bytes < 128 * MIB


_WORKER = """
import asyncio, sys
from tests.integration.sandbox_runs import BUILDERS, LIMITS, SandboxedRun

async def main():
    script = ": " + sys.argv[2] + "; trap '' TERM; echo up >&$REPORT_FD; sleep 60; :"
    argv, notify = ("/bin/bash", "-c", script), lambda _: print("up", flush=True)
    await BUILDERS[sys.argv[1]]().run(SandboxedRun(argv=argv, limits=LIMITS, on_report=notify))

asyncio.run(main())
"""


@pytest.mark.parametrize("builder", [name for name in BUILDERS if name != "none"])
def test_nothing_outlives_a_killed_worker(builder: str) -> None:
    """fault_73: after kill -9 of the worker during a run."""
    mark = f"killed-{time.monotonic_ns()}"
    with subprocess.Popen(
        [sys.executable, "-c", _WORKER, builder, mark],
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.defpath},
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"up\n"
        assert processes_with(mark)
        worker.kill()
        worker.wait()
        deadline = time.monotonic() + 5
        while processes_with(mark) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert processes_with(mark) == []
