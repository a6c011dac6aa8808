"""Ctrl-C, and two at once, at any moment of a command."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e import program

pytestmark = pytest.mark.slow

INTERRUPTED = """
import importlib.abc, os, signal, sys
class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == sys.argv[1]:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
from veriframe.cli import main
main(sys.argv[2:])
"""


@pytest.mark.parametrize(
    "module", ["typer", "veriframe.cli.job", "pydantic", "rich.console", "structlog", "sqlite3", "asyncio"]
)
def test_two_interrupts_during_an_import_are_quiet(tmp_path: Path, module: str) -> None:
    """fault_107: the longest part of many a command; a shell shows 130 for both ways to end."""
    made = [sys.executable, "-m", "veriframe", "--home", str(tmp_path), "account", "show"]
    subprocess.run(made, cwd=tmp_path, env={}, capture_output=True, timeout=60, check=True)
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, module, "--home", tmp_path, "job", "list"],
        cwd=tmp_path,
        env={},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in {130, -signal.SIGINT}
    assert (done.stdout, done.stderr) == (b"", b"")


def test_two_interrupts_end_a_watch_quietly(tmp_path: Path) -> None:
    """fault_107: and so they do after them, while the process exits."""
    program.post_job(tmp_path)
    watch = program.start(tmp_path, "job", "watch", "1")
    assert watch.stdout is not None
    assert watch.stdout.readline()
    watch.send_signal(signal.SIGINT)
    watch.send_signal(signal.SIGINT)
    out, err = watch.communicate(timeout=30)
    assert (watch.returncode, out, err) == (130, b"", b"")


def test_a_process_that_ignores_interrupts_goes_on_ignoring_them(tmp_path: Path) -> None:
    """A shell starts a job with `&` like that."""
    done = subprocess.run(
        [
            "/bin/sh",
            "-c",
            'trap "" INT; exec "$@"',
            "sh",
            sys.executable,
            "-c",
            INTERRUPTED,
            "typer",
            "--version",
        ],
        cwd=tmp_path,
        env={},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
