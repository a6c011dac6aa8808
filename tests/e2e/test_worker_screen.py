"""A worker on a terminal: its screen, Ctrl-C, and a terminal that goes away."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Iterator

import pytest
from tests.e2e.embedded import WAIT_SECONDS, Embedded, wait_for

from veriframe.model.attempt.attempt import Stage

pytestmark = pytest.mark.slow

SLOW = {"seconds": 600.0}
BRIEF = {"seconds": 1.0}


class Terminal:
    """A terminal of 110 columns that reads all the time."""

    def __init__(self) -> None:
        self._controller, self.end = pty.openpty()
        fcntl.ioctl(self.end, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 110, 0, 0))
        self._read = b""
        threading.Thread(target=self._read_on, daemon=True).start()

    def _read_on(self) -> None:
        try:
            while read := os.read(self._controller, 65536):
                self._read += read
        except OSError:
            pass

    @property
    def text(self) -> str:
        """All that was written so far."""
        return self._read.decode(errors="replace")

    def close(self) -> None:
        """Close it, as when its window is closed."""
        os.close(self._controller)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """A new terminal."""
    opened = Terminal()
    yield opened
    os.close(opened.end)


def start(
    embedded: Embedded, terminal: Terminal, plan: dict[str, float], *options: str
) -> subprocess.Popen[str]:
    """Start a worker on the terminal."""
    return embedded.start(plan, "worker", *options, stderr=terminal.end)


def test_a_worker_on_a_terminal_shows_its_jobs_and_logs_to_a_file(
    embedded: Embedded, terminal: Terminal
) -> None:
    """The screen has the job; the log is JSON, in the home, and its owner's alone."""
    embedded.post()
    process = start(embedded, terminal, BRIEF, "--once")
    assert process.wait(WAIT_SECONDS) == 0
    wait_for(lambda: "submitted" in terminal.text)
    assert "job 1" in terminal.text
    assert "{" not in terminal.text
    file = embedded.home / "workers" / "worker" / "worker.log"
    events = [json.loads(line)["event"] for line in file.read_text().splitlines()]
    assert {"worker_started", "stage_reached", "worker_stopped"} <= set(events)
    assert file.stat().st_mode & 0o777 == 0o600


def test_plain_sentences_need_no_terminal(embedded: Embedded) -> None:
    """`--plain`: one line for each stage on stderr, and the log in the same file."""
    embedded.post()
    assert embedded.run(BRIEF, "worker", "--once", "--plain") == 0
    assert "job 1: submitted" in embedded.log()
    assert "stage_reached" not in embedded.log()
    assert "stage_reached" in (embedded.home / "workers" / "worker" / "worker.log").read_text()


def test_a_terminal_that_goes_away_does_not_stop_the_worker(embedded: Embedded, terminal: Terminal) -> None:
    """fault_180: the window is closed during a render, with the signal of the kernel: the job is finished."""
    embedded.post()
    process = start(embedded, terminal, BRIEF)
    wait_for(lambda: Stage.CLAIMED in embedded.stages())
    terminal.close()
    process.send_signal(signal.SIGHUP)
    wait_for(lambda: embedded.stages() == [Stage.SUBMITTED])
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAIT_SECONDS) == 0
    assert "terminal_gone" in (embedded.home / "workers" / "worker" / "worker.log").read_text()


def test_ctrl_c_says_what_is_waited_for(embedded: Embedded, terminal: Terminal) -> None:
    """fault_182: once, it names the claimed job; twice, it stops at once."""
    embedded.post()
    process = start(embedded, terminal, SLOW)
    wait_for(lambda: Stage.CLAIMED in embedded.stages())
    process.send_signal(signal.SIGINT)
    wait_for(lambda: "job 1 is finished first" in terminal.text)
    process.send_signal(signal.SIGINT)
    assert process.wait(WAIT_SECONDS) == 130
