"""Every command, when nobody reads its output, when it cannot be written, and when its letters are few."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e import program

pytestmark = pytest.mark.slow

COMMANDS = ("--help", "config show", "job list --all", "registry show --json")
"""One for each way to write: by the library of commands, tables, lines and JSON."""


@pytest.fixture(autouse=True)
def _job(tmp_path: Path) -> None:
    """There is a job, so that no command has a sentence about none."""
    program.post_job(tmp_path)


@pytest.fixture
def unread() -> Iterator[int]:
    """The write end of a pipe whose reader has exited."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    yield write_end
    os.close(write_end)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_whose_reader_exits_ends_quietly(
    tmp_path: Path, unread: int, command: str, unbuffered: str
) -> None:
    """fault_103: with the exit code that shells give to SIGPIPE, as after `| head`, and without a word."""
    ended = program.run(tmp_path, *command.split(), stdout=unread, env={"PYTHONUNBUFFERED": unbuffered})
    assert (ended.returncode, ended.stderr) == (141, b"")
    assert program.run(tmp_path, *command.split(), stdout=unread, stderr=unread).returncode == 141


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_on_a_full_disk_says_so(tmp_path: Path, command: str) -> None:
    """fault_104: in one line, with exit code 3."""
    with Path("/dev/full").open("wb") as full:
        ended = program.run(tmp_path, *command.split(), stdout=full)
    assert (ended.returncode, ended.stderr.count(b"\n")) == (3, 1)


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_without_an_output_works(tmp_path: Path, command: str, closed: str) -> None:
    """fault_103: what is closed is not wanted."""
    line = f'exec "$0" -m veriframe "$@" {closed}'
    ended = subprocess.run(
        ["/bin/sh", "-c", line, sys.executable, *command.split()],
        env={"VERIFRAME_HOME": str(tmp_path / "home")},
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_watch_ends_when_its_reader_exits(tmp_path: Path, form: tuple[str, ...]) -> None:
    """fault_103: at once, not with the next change of the job, which may be days away."""
    watch = program.start(tmp_path, "job", "watch", "1", *form)
    assert watch.stdout is not None
    assert watch.stderr is not None
    assert watch.stdout.readline()
    watch.stdout.close()
    assert watch.wait(30) == 141
    assert watch.stderr.read() == b""
    watch.stderr.close()


@pytest.mark.parametrize(
    ("command", "encoding"),
    [(command, "ascii") for command in (*COMMANDS, "job list --bogus", "job show 9")]
    + [("config show", "latin-1")],
)
def test_a_command_writes_the_letters_that_there_are(tmp_path: Path, command: str, encoding: str) -> None:
    """fault_105: ASCII stands for those that an encoding lacks, in output and errors, and on a terminal."""
    environment = {"PYTHONIOENCODING": encoding, "FORCE_COLOR": "1", "COLUMNS": "100"}
    ended = program.run(tmp_path, *command.split(), env=environment)
    said = (ended.stdout + ended.stderr).decode(encoding)
    assert said.strip()
    assert "Traceback" not in said
    assert "\\u" not in said
    assert "\\x" not in said
