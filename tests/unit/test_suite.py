"""The suite itself: what it hands on to the programs that it starts."""

from __future__ import annotations

import signal
import subprocess
import sys

from tests import conftest

ASK = "import signal; print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"


def test_children_can_be_interrupted() -> None:
    """Also if the suite is a shell's background job, which ignores SIGINT."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert subprocess.check_output([sys.executable, "-c", ASK], text=True).strip() == "True"
        conftest.pytest_configure()
        assert subprocess.check_output([sys.executable, "-c", ASK], text=True).strip() == "False"
    finally:
        signal.signal(signal.SIGINT, before)
