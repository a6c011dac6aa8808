"""What a program in a real sandbox can see of the host and of the worker."""

from __future__ import annotations

import subprocess
from pathlib import Path, PurePosixPath

import pytest
from tests.integration.sandbox_runs import (
    BUILDERS,
    LIMITS,
    Received,
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


@pytest.mark.parametrize("builder", ["strict", "strict-single"])
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
