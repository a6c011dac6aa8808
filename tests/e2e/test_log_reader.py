"""Workers whose log is no longer read: the work continues and ends normally."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.e2e.embedded import PROGRAM, ROOT, WAIT_SECONDS, Embedded, wait_for

from veriframe.model.attempt.attempt import Stage

pytestmark = pytest.mark.slow

SLOW = {"seconds": 600.0}
BRIEF = {"seconds": 1.0}


class Reader:
    """The read end of a worker's stderr."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()

    def leave(self) -> None:
        """Close it, as `head` does, and as `tee` does after Ctrl-C."""
        os.close(self.read_end)

    def stop(self) -> None:
        """Keep the pipe open but full."""
        os.set_blocking(self.write_end, False)
        with suppress(BlockingIOError):
            while os.write(self.write_end, b"x" * 4096):
                pass
        os.set_blocking(self.write_end, True)

    def close(self) -> None:
        """Close both ends."""
        for descriptor in (self.read_end, self.write_end):
            with suppress(OSError):
                os.close(descriptor)


@pytest.fixture
def reader() -> Iterator[Reader]:
    """A new reader."""
    made = Reader()
    yield made
    made.close()


LOSSES: dict[str, Callable[[Reader], None]] = {"gone": Reader.leave, "stuck": Reader.stop}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_job_is_paid_without_a_reader_of_the_log(embedded: Embedded, reader: Reader, loss: str) -> None:
    """fault_99: the reader is lost during a render; the exit code is 0 as usual."""
    embedded.post()
    process = embedded.start(BRIEF, "worker", stderr=reader.write_end)
    wait_for(lambda: Stage.CLAIMED in embedded.stages())
    LOSSES[loss](reader)
    wait_for(lambda: embedded.stages() == [Stage.SUBMITTED])
    embedded.accept_all()
    wait_for(lambda: embedded.stages() == [Stage.PAID])
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAIT_SECONDS) == 0


@pytest.mark.parametrize("loss", LOSSES)
def test_signals_work_without_a_reader_of_the_log(embedded: Embedded, reader: Reader, loss: str) -> None:
    """fault_99: after one, as Ctrl-C in `worker 2>&1 | tee log`, it finishes; after two it exits with 130."""
    embedded.post(jobs=2)
    process = embedded.start(BRIEF, "worker", stderr=reader.write_end)
    wait_for(lambda: Stage.CLAIMED in embedded.stages())
    LOSSES[loss](reader)
    process.send_signal(signal.SIGINT)
    assert process.wait(WAIT_SECONDS) == 0
    assert embedded.stages() == [Stage.SUBMITTED]
    again = embedded.start(SLOW, "worker", stderr=reader.write_end)
    wait_for(lambda: Stage.CLAIMED in embedded.stages())
    again.send_signal(signal.SIGINT)
    time.sleep(0.5)  # two signals that arrive before the process runs count as one
    again.send_signal(signal.SIGINT)
    assert again.wait(WAIT_SECONDS) == 130


@pytest.mark.parametrize("loss", LOSSES)
def test_an_error_at_the_start_keeps_its_exit_code(embedded: Embedded, reader: Reader, loss: str) -> None:
    """fault_99: only its sentence is lost."""
    LOSSES[loss](reader)
    process = embedded.start({}, "--set", "poll_seconds=never", "worker", stderr=reader.write_end)
    assert process.wait(WAIT_SECONDS) == 2


@pytest.mark.parametrize("redirection", ["2>&1 | head -n 3", "2>&-", ">&- 2>&-", "2>/dev/full", ">/dev/full"])
@pytest.mark.parametrize("options", ["", pytest.param("-u", marks=pytest.mark.thorough)])
def test_a_worker_with_redirected_output_submits(embedded: Embedded, redirection: str, options: str) -> None:
    """fault_99: with any redirection of the shell."""
    embedded.post()
    words = [sys.executable, *options.split(), PROGRAM, "{}", "--home", embedded.home]
    words += ["--set", "disk_free_bytes=1MB", "--set", "log_level=debug", "worker", "--once"]
    line = f"{shlex.join(map(str, words))} {redirection}; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(
        ["/bin/bash", "-c", line],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        timeout=WAIT_SECONDS,
        check=False,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    assert ended.returncode == 0
    assert embedded.stages() == [Stage.SUBMITTED]


def test_the_classic_entry_point_exits_normally(tmp_path: Path, reader: Reader) -> None:
    """fault_99: `python src/main.py`, without a job and without a reader."""
    reader.leave()
    ended = subprocess.run(
        [sys.executable, ROOT / "src" / "main.py", "--bogus"],
        env={"PATH": os.environ["PATH"], "VERIFRAME_HOME": str(tmp_path)},
        stderr=reader.write_end,
        timeout=WAIT_SECONDS,
        check=False,
    )
    assert ended.returncode == 2
