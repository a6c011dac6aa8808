"""Hostile programs that leave or hide files in their output, as root and as an ordinary user."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests import ordinary
from tests.integration.test_sandbox_run import (
    BUILDERS,
    LIMITS,
    MIB,
    PYTHON,
    RUNTIME,
    Received,
    reachable,
    run_shell,
    sandbox,
)

from veriframe.adapters.blender.sandbox import output_mounts as mounts
from veriframe.adapters.blender.sandbox.run import OUT, Ending, Level, RunExit, Sandbox, SandboxedRun
from veriframe.errors import Code
from veriframe.worker.workspace import Workspace

__all__ = ["sandbox"]

STRICT = [name for name in BUILDERS if name.startswith("strict")]
WATCHED = ["strict-watcher", "landlock-watcher"]
NEST = """
import os, sys
here = os.open(sys.argv[1], os.O_RDONLY)
for _ in range(2500):
    os.mkdir("d", dir_fd=here)
    here, above = os.open("d", os.O_RDONLY, dir_fd=here), here
    os.close(above)
"""


async def run_python(
    sandbox: Sandbox,
    script: str,
    *,
    out: Path | None = None,
    received: Received | None = None,
    memory: int = 256,
) -> RunExit:
    """Runs Python in the sandbox, with the expected output `a`; `sys.argv[1]` is its output folder."""
    received = received or Received()
    limits = type(LIMITS)(
        wall_seconds=20, memory_bytes=memory * MIB, pids=32, output_bytes=4 * MIB, tmp_bytes=96 * MIB
    )
    return await sandbox.run(
        SandboxedRun(
            argv=(PYTHON, "-I", "-S", "-c", script, OUT),
            limits=limits,
            visible=RUNTIME,
            out=out,
            expected=("a",),
            on_report=received.reports.append,
        )
    )


@pytest.fixture(autouse=True)
def own_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A temporary folder that no other program uses and every user may traverse."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield


def temporary() -> set[str]:
    """Returns the folders of runs in the temporary folder."""
    return {path.name for path in Path(tempfile.gettempdir()).glob("veriframe-*")}


async def test_nested_folders_are_not_copied(sandbox: Sandbox, tmp_path: Path) -> None:
    """fault_92: 2500 of them stopped the worker permanently, with a RecursionError at every start."""
    out, before = reachable(tmp_path), temporary()
    end = await run_python(sandbox, NEST, out=out)
    if sandbox.level is Level.STRICT:
        assert end.ending is Ending.EXITED
        assert end.fault is not None
        assert end.fault.code is Code.NO_OUTPUT
    else:
        assert end.ending in (Ending.EXITED, Ending.OUTPUT_LIMIT)
    assert list(out.iterdir()) == []
    assert temporary() <= before


async def test_the_next_attempt_works_after_a_crash_with_a_locked_folder(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """fault_92: `empty` failed until the end of the lease."""
    workspace = Workspace(tmp_path, 1)
    reachable(tmp_path)
    out = workspace.empty(workspace.rendered(7))
    crash = "cd $0; echo x > a; mkdir -m 0 h; kill -SEGV $$; sleep 1"
    end = await run_shell(sandbox, crash, out=out, expected=("a",))
    assert end.ending in (Ending.CRASHED, Ending.OUTPUT_LIMIT)
    assert end.fault is None or end.fault.code is Code.EXTRA_OUTPUT
    out = workspace.empty(workspace.rendered(7))
    end = await run_shell(sandbox, "echo x > $0/a", out=out, expected=("a",))
    assert (end.ending, end.fault) == (Ending.EXITED, None)
    assert (out / "a").read_text() == "x\n"


async def test_a_locked_output_is_copied(sandbox: Sandbox, tmp_path: Path) -> None:
    """The program may change its own folder, and the file in it was expected."""
    out = reachable(tmp_path)
    end = await run_shell(sandbox, "echo x > $0/a; chmod 0 $0", out=out, expected=("a",))
    assert end.ending in (Ending.EXITED, Ending.OUTPUT_LIMIT)
    assert end.fault is None


@pytest.mark.parametrize(
    ("deed", "code"),
    [
        ("echo x > a; echo x > b", Code.EXTRA_OUTPUT),
        ("ln -s /etc/fonts a", Code.TAMPER),
        ("echo x > a; ln a b", Code.TAMPER),
        ("mkfifo a", Code.TAMPER),
        ("umask 777; echo x > a", None),
        ("truncate -s 4M a; truncate -s 4M b", Code.DISK),
        (":", Code.NO_OUTPUT),
    ],
)
async def test_only_the_expected_files_are_copied(
    sandbox: Sandbox, deed: str, code: Code | None, tmp_path: Path
) -> None:
    """fault_42: otherwise a fault is reported and none is copied to the host."""
    out = reachable(tmp_path)
    expected = ("a", "b") if "truncate" in deed else ("a",)
    end = await run_shell(sandbox, f"cd $0; {deed}", out=out, expected=expected)
    if code is None:
        # Root can read it; other users cannot open it, like any other file without permissions.
        code = None if os.geteuid() == 0 else Code.TAMPER
    if end.ending is not Ending.OUTPUT_LIMIT:
        assert (end.fault.code if end.fault else None) == code
    assert [path.name for path in out.iterdir()] == ([] if code else ["a"])


@pytest.mark.parametrize("deed", ["rmdir $0", "rmdir $0; echo x > $0", "rmdir $0; ln -s /tmp $0"])
async def test_a_missing_output_folder_is_tampering(deed: str, tmp_path: Path) -> None:
    """fault_42: at a level that lets the program remove it."""
    end = await run_shell(BUILDERS["none"](), f"{deed}; sleep 0.3", out=reachable(tmp_path), expected=("a",))
    assert end.ending is Ending.OUTPUT_LIMIT or (end.fault and end.fault.code is Code.TAMPER)
    assert list((tmp_path / "out").iterdir()) == []


HIDDEN = {
    "unlinked": "file = os.open('f', os.O_RDWR | os.O_CREAT); os.unlink('f')",
    "unnamed": "file = os.open('.', os.O_RDWR | os.O_TMPFILE)",
    "mapped": """
file = os.open('f', os.O_RDWR | os.O_CREAT); os.unlink('f'); os.ftruncate(file, 2**21)
pages = mmap.mmap(file, 2**21); os.close(file); pages[:] = b'x' * 2**21; kept.append(pages); file = None""",
    "locked": """
os.mkdir(f'd{n}', 0o300); file = os.open(f'd{n}/f', os.O_RDWR | os.O_CREAT)""",
    "deep": "os.mkdir('d' * 255); os.chdir('d' * 255); file = os.open('f', os.O_RDWR | os.O_CREAT)",
}
WRITE = """
import mmap, os, sys
os.chdir(sys.argv[1])
kept = []
for n in range(64):
    try:
        DEED
        if file is not None:
            os.posix_fallocate(file, 0, 2**21)
    except OSError:
        break
    os.write(int(os.environ['REPORT_FD']), b'2 MiB\\n')
"""


@pytest.mark.parametrize("builder", STRICT)
@pytest.mark.parametrize("way", HIDDEN)
async def test_output_cannot_be_hidden_from_its_limit(way: str, builder: str, tmp_path: Path) -> None:
    """fault_93: 180 to 500 MiB were written at a limit of 4."""
    received = Received()
    script = WRITE.replace("DEED", HIDDEN[way].strip().replace("\n", "\n        "))
    end = await run_python(BUILDERS[builder](), script, out=reachable(tmp_path), received=received)
    # Writing to a mapping beyond the free space ends the program by a signal.
    assert end.ending in (Ending.OUTPUT_LIMIT, Ending.EXITED, Ending.CRASHED)
    assert 1 <= len(received.reports) <= 2


async def test_a_disk_that_fills_up_ends_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """fault_93: at that level nothing else detects files without a name."""
    monkeypatch.setattr(mounts, "FULL_DISK_BYTES", 2**62)
    end = await run_shell(BUILDERS["none"](), "sleep 9", out=reachable(tmp_path))
    assert end.ending is Ending.OUTPUT_LIMIT
    end = await run_shell(BUILDERS["strict"](), "sleep 0.3")
    assert end.ending is Ending.EXITED


async def test_a_path_that_is_too_long_is_too_much(tmp_path: Path) -> None:
    """fault_93: if the output is on the host's disk."""
    await cannot_be_measured("deep", tmp_path)


async def cannot_be_measured(way: str, tmp_path: Path) -> None:
    """A folder that cannot be measured counts as too large."""
    script = WRITE.replace("2**21", "2**15").replace("DEED", HIDDEN[way].strip())
    end = await run_python(BUILDERS["none"](), script + "import time; time.sleep(5)", out=reachable(tmp_path))
    assert end.ending is Ending.OUTPUT_LIMIT
    assert end.seconds < 4


MEMORY = {
    "memfd": "for n in range(200): os.write(os.memfd_create('x'), b'x' * 2**21)",
    "shared pages": """
pages = mmap.mmap(-1, 400 * 2**20)
for n in range(400): pages[n * 2**20 : (n + 1) * 2**20] = b'x' * 2**20; pages.madvise(mmap.MADV_DONTNEED)""",
    "zero pages": "pages = mmap.mmap(os.open('/dev/zero', os.O_RDWR), 400 * 2**20)",
    "segment": "import ctypes; assert ctypes.CDLL(None).shmget(0, 400 * 2**20, 0o1600) >= 0",
    "secret": "import ctypes; assert ctypes.CDLL(None).syscall(447, 0) >= 0",
    "sockets": "import socket; socket.socketpair()",
    "queue": "import ctypes; assert ctypes.CDLL(None).msgget(0, 0o1600) >= 0",
}


@pytest.mark.parametrize("builder", WATCHED)
@pytest.mark.parametrize("way", MEMORY)
async def test_memory_that_no_process_shows_is_refused(way: str, builder: str) -> None:
    """fault_94: 2000 MiB of it were taken at a limit of 256."""
    received = Received()
    script = f"import mmap, os, time\n{MEMORY[way]}\nos.write(int(os.environ['REPORT_FD']), b'got it\\n')"
    end = await run_python(BUILDERS[builder](), script, received=received)
    assert received.reports == []
    assert (end.ending, end.code) == (Ending.EXITED, 1)


@pytest.mark.parametrize("builder", STRICT)
async def test_files_in_memory_count_as_memory(builder: str) -> None:
    """fault_94: each file system is within its own size, but their sum is over the limit."""
    script = """
import os, time
for n, folder in enumerate(("/tmp", "/dev/shm")):
    for m in range(20):
        with open(f"{folder}/{m}", "wb") as file: file.write(b"x" * 2**22)
time.sleep(5)
"""
    end = await run_python(BUILDERS[builder](), script, memory=128)
    assert end.ending is Ending.OOM
    assert end.peak_memory_bytes > 100 * MIB


@pytest.mark.parametrize("builder", [name for name in BUILDERS if name != "none"])
async def test_the_oom_score_cannot_be_lowered(builder: str) -> None:
    """fault_94: the kernel must kill the render first if memory runs out."""
    received = Received()
    await run_shell(
        BUILDERS[builder](),
        "echo 0 > /proc/self/oom_score_adj || echo refused >&$REPORT_FD",
        received=received,
    )
    assert received.reports == [b"refused"]


@pytest.mark.parametrize("builder", STRICT)
async def test_the_host_has_no_files_of_a_running_program(builder: str, tmp_path: Path) -> None:
    """fault_92: neither in the output folder, which is filled later, nor in the temporary one."""
    out, before = reachable(tmp_path), temporary()
    seen: list[object] = []

    def look(_: bytes) -> None:
        seen.extend((list(out.iterdir()), temporary() - before))

    script = "echo x > /out/a; mkdir /out/b; echo >&$REPORT_FD; rmdir /out/b"
    run = SandboxedRun(
        argv=("/bin/bash", "-c", script), limits=LIMITS, out=out, expected=("a",), on_report=look
    )
    end = await BUILDERS[builder]().run(run)
    assert end.fault is None
    assert seen == [[], set()]
    assert [path.name for path in out.iterdir()] == ["a"]


_AS_USER = """
import asyncio, ctypes, sys, tempfile
from pathlib import Path
from tests.integration import test_sandbox_output as attacks
from veriframe import disk

# Like a worker with its key in memory.
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
folder = Path(tempfile.mkdtemp())
tempfile.tempdir = tempfile.mkdtemp(dir=folder)
attack, form = getattr(attacks, sys.argv[1]), sys.argv[2]
try:
    asyncio.run(attack(attacks.BUILDERS[form]() if form in attacks.BUILDERS else form, tmp_path=folder))
finally:
    assert disk.remove(folder)
"""


@pytest.mark.parametrize("builder", ["strict", "landlock", "none"])
@pytest.mark.parametrize(
    "attack",
    [
        test_nested_folders_are_not_copied,
        test_the_next_attempt_works_after_a_crash_with_a_locked_folder,
        test_a_locked_output_is_copied,
    ],
)
def test_as_an_ordinary_user(attack: Callable[..., object], builder: str) -> None:
    """fault_92: an ordinary user cannot enter a folder without permissions; also without ptrace access."""
    ordinary.run(_AS_USER, attack.__name__, builder)


_WITHOUT_CAPABILITY = """
import asyncio, sys
from tests.integration.test_sandbox_run import run_shell
from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox

end = asyncio.run(run_shell(BubblewrapSandbox(staged=sys.argv[1] == "staged"), "exit 7"))
print(end.ending, end.code, *end.log_tail)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a worker that is root")
@pytest.mark.parametrize(
    ("form", "said"),
    [("staged", "EXITED 7"), ("unstaged", "SANDBOX_FAILED 0 The .* Run the worker as an .* user")],
)
def test_root_without_ptrace_access_gets_the_remedy(form: str, said: str) -> None:
    """In a container without the capability, the output in the other user's processes cannot be opened."""
    ran = subprocess.run(
        ["setpriv", "--bounding-set=-sys_ptrace", sys.executable, "-c", _WITHOUT_CAPABILITY, form],
        check=True,
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert re.match(said, ran.stdout)
