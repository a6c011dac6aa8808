"""Hostile programs that leave or hide files in their output, as root and as an ordinary user."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests import ordinary
from tests.integration.sandbox_runs import (
    BUILDERS,
    LIMITS,
    STRICT,
    own_temporary_folder,
    reachable,
    run_python,
    run_shell,
    sandbox,
    temporary,
)

from veriframe.adapters.blender.sandbox.run import Ending, Level, Sandbox, SandboxedRun
from veriframe.errors import Code
from veriframe.worker.shared.workspace import Workspace

__all__ = ["own_temporary_folder", "sandbox"]

NEST = """
import os, sys
here = os.open(sys.argv[1], os.O_RDONLY)
for _ in range(2500):
    os.mkdir("d", dir_fd=here)
    here, above = os.open("d", os.O_RDONLY, dir_fd=here), here
    os.close(above)
"""


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
        ("truncate -s 4M a; truncate -s 4M b", Code.OUTPUT_LIMIT),
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
from tests.integration.sandbox_runs import run_shell
from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox

end = asyncio.run(run_shell(BubblewrapSandbox(nested=sys.argv[1] == "nested"), "exit 7"))
print(end.ending, end.code, *end.log_tail)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a worker that is root")
@pytest.mark.parametrize(
    ("form", "expected"),
    [("nested", "EXITED 7"), ("single", "SANDBOX_FAILED 0 The .* Run the worker as an .* user")],
)
def test_root_without_ptrace_access_gets_the_remedy(form: str, expected: str) -> None:
    """In a container without the capability, the output in the other user's processes cannot be opened."""
    ran = subprocess.run(
        ["setpriv", "--bounding-set=-sys_ptrace", sys.executable, "-c", _WITHOUT_CAPABILITY, form],
        check=True,
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert re.match(expected, ran.stdout)
