"""Programs in real sandboxes: how they end, and their limits."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox
from veriframe.adapters.blender.sandbox.levels.unnamespaced import UnnamespacedSandbox
from veriframe.adapters.blender.sandbox.limits import cgroup
from veriframe.adapters.blender.sandbox.run import (
    OUT,
    Ending,
    Level,
    RunExit,
    RunLimits,
    Sandbox,
    SandboxedRun,
)

MIB = 2**20
LIMITS = RunLimits(wall_seconds=20, memory_bytes=256 * MIB, pids=32, output_bytes=4 * MIB, tmp_bytes=8 * MIB)
PYTHON = os.path.realpath(sys.executable)
BASE = Path(sys.base_prefix)
RUNTIME = {} if BASE.is_relative_to("/usr") else {PurePosixPath(BASE): BASE}

BUILDERS: dict[str, Callable[[], Sandbox]] = {
    "strict": BubblewrapSandbox,
    "strict-watcher": lambda: BubblewrapSandbox(use_cgroup=False),
    "strict-unstaged": lambda: BubblewrapSandbox(staged=False),
    "landlock": lambda: UnnamespacedSandbox(Level.LANDLOCK),
    "landlock-watcher": lambda: UnnamespacedSandbox(Level.LANDLOCK, use_cgroup=False),
    "none": lambda: UnnamespacedSandbox(Level.NONE),
}


@pytest.fixture(params=BUILDERS)
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """Each level in each form."""
    return BUILDERS[request.param]()


@dataclass
class Received:
    """The reports and log lines of a run."""

    reports: list[bytes] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


async def run_shell(
    sandbox: Sandbox,
    script: str,
    *,
    received: Received | None = None,
    limits: RunLimits = LIMITS,
    **more: Any,
) -> RunExit:
    """Runs a shell script in the sandbox. `$0` is its output folder."""
    received = received or Received()
    return await sandbox.run(
        SandboxedRun(
            argv=("/bin/bash", "-c", script, OUT),
            limits=limits,
            on_report=received.reports.append,
            on_log=received.lines.append,
            **more,
        )
    )


def processes_with(mark: str) -> list[int]:
    """Returns the processes whose command line contains a mark."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if mark.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


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


def open_files() -> int:
    """Returns how many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def groups() -> list[Path]:
    """Returns this process's control groups."""
    hierarchy = cgroup.find()
    if hierarchy is None:
        return []
    folders = {hierarchy.memory, hierarchy.pids}
    return [group for folder in folders for group in folder.glob(f"veriframe-{os.getpid()}-*")]


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


async def test_the_workers_environment_is_not_visible(
    monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    """Neither in the program's own variables nor in those of the builders, which /proc would show."""
    monkeypatch.setenv("PLANTED", "planted-secret")
    received = Received()
    script = (
        "env >&$REPORT_FD; cat /proc/self/environ /proc/1/environ 2>/dev/null | tr '\\0' '\\n' >&$REPORT_FD"
    )
    if sandbox.level < Level.STRICT:
        script = "env >&$REPORT_FD"
    await run_shell(sandbox, script, received=received, environment={"MINE": "yes"})
    assert b"MINE=yes" in received.reports
    assert b"planted-secret" not in b"\n".join(received.reports)
    names = {line.split(b"=")[0] for line in received.reports if b"=" in line}
    assert names <= {
        b"PATH",
        b"HOME",
        b"TMPDIR",
        b"LANG",
        b"REPORT_FD",
        b"MINE",
        b"PWD",
        b"_",
        b"SHLVL",
        b"OLDPWD",
    }


def reachable(folder: Path) -> Path:
    """Creates a folder that every user can reach, which LANDLOCK as root needs."""
    for parent in (folder, *folder.parents):
        if parent.stat().st_uid == os.geteuid():
            parent.chmod(parent.stat().st_mode | 0o755)
    out = folder / "out"
    out.mkdir()
    return out


@pytest.mark.parametrize("builder", ["strict", "strict-watcher"])
async def test_files_in_private_folders_can_be_shown(builder: str, tmp_path: Path) -> None:
    """A root worker's files are below /root, mode 0700; only the shown ones are visible."""
    closed = tmp_path / "closed"
    (closed / "shown").mkdir(parents=True)
    (closed / "shown" / "file").write_text("seen")
    (closed / "hidden").write_text("not seen")
    out = closed / "out"
    out.mkdir()
    closed.chmod(0o700)
    received = Received()
    visible = {
        PurePosixPath(closed / "shown"): closed / "shown",
        PurePosixPath("/job/f"): closed / "shown/file",
    }
    script = f"cat {closed}/shown/file /job/f > /out/copy && ls -A {closed} >&$REPORT_FD"
    sandbox = BUILDERS[builder]()
    end = await run_shell(sandbox, script, received=received, visible=visible, out=out, expected=("copy",))
    assert (end.ending, end.code) == (Ending.EXITED, 0), end.log_tail
    assert (out / "copy").read_text() == "seenseen"
    assert received.reports == [b"shown"]


async def test_little_is_visible_inside() -> None:
    """No host name, no root user, only the shown folders, and two writable file systems."""
    received = Received()
    script = (
        "exec >&$REPORT_FD; uname -n; [ $(id -u) != 0 ] && echo not root; echo $(ls /) ; echo $(ls /etc);"
        "for d in / /etc /usr /dev /proc; do touch $d/x 2>/dev/null && echo wrote $d; done;"
        "ls /sys 2>&1"
    )
    await run_shell(BubblewrapSandbox(), script, received=received)
    host, root, folders, etc, *rest = (line.decode() for line in received.reports)
    assert (host, root) == ("render", "not root")
    assert set(folders.split()) <= {
        *("bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "sbin", "tmp", "usr")
    }
    assert set(etc.split()) <= {"alternatives", "fonts", "ld.so.cache"}
    assert rest == ["ls: cannot access '/sys': No such file or directory"]


async def test_memory_is_measured(sandbox: Sandbox) -> None:
    """The peak includes all pages that were written."""
    script = "import time; ballast = b'x' * (64 * 2**20); time.sleep(0.4)"
    end = await sandbox.run(
        SandboxedRun(argv=(PYTHON, "-I", "-S", "-c", script), limits=LIMITS, visible=RUNTIME)
    )
    assert end.ending is Ending.EXITED
    assert 64 * MIB < end.peak_memory_bytes < 128 * MIB


@pytest.mark.parametrize("builder", ["strict", "strict-unstaged"])
def test_the_command_can_be_pasted(builder: str, tmp_path: Path) -> None:
    """The logged command line builds the same sandbox, without what only a running worker has."""
    (tmp_path / "file").write_text("shown")
    reachable(tmp_path)
    run = SandboxedRun(
        argv=("/bin/cat", PurePosixPath("/job/file")),
        limits=LIMITS,
        visible={PurePosixPath("/job/file"): tmp_path / "file"},
    )
    ran = subprocess.run(BUILDERS[builder]().command(run), capture_output=True, check=True, text=True)
    assert ran.stdout == "shown"


_WORKER = """
import asyncio, sys
from tests.integration.test_sandbox_run import BUILDERS, LIMITS, SandboxedRun

async def main():
    script = ": " + sys.argv[2] + "; trap '' TERM; echo up >&$REPORT_FD; sleep 60; :"
    await BUILDERS[sys.argv[1]]().run(
        SandboxedRun(argv=("/bin/bash", "-c", script), limits=LIMITS, on_report=lambda _: print("up", flush=True))
    )

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
