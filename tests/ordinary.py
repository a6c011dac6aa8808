"""Runs Python as an unprivileged user, even if the tests run as root."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

USER = 65_534
_DROP = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups")


def run(script: str, *arguments: str) -> str:
    """Runs a script and returns its output. Skips the test if that user may not read this program."""
    drop = _DROP if os.geteuid() == 0 else ()
    python = os.path.realpath(sys.executable)
    if subprocess.run([*drop, "test", "-r", __file__, "-a", "-x", python], check=False).returncode:
        pytest.skip("another user cannot read this program here")
    return subprocess.run(
        [*drop, python, "-c", script, *arguments],
        check=True,
        cwd="/",
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
