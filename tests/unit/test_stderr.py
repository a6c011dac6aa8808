"""A log whose reader stops, resumes or exits, and a full disk."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

from veriframe import logs, stderr
from veriframe.stderr import FEW_WAITING, MOST_WAITING, BackgroundStderr


@dataclass
class Pipe:
    """A small pipe, and a stream over its write end."""

    read_end: int
    write_end: int

    def stream(self) -> BackgroundStderr:
        """The stream under test."""
        return BackgroundStderr(self.write_end)

    def fill(self) -> int:
        """Fill the pipe. Returns the number of bytes in it."""
        os.set_blocking(self.write_end, False)
        filled = os.write(self.write_end, b"x" * 2**20)
        os.set_blocking(self.write_end, True)
        return filled

    def read(self, until: bytes) -> str:
        """Read until a text occurs."""
        received = b""
        while until not in received:
            received += os.read(self.read_end, 2**16)
        return received.decode()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """A pipe with both ends open; closing it at the end releases a blocked writer."""
    made = Pipe(*os.pipe())
    fcntl.fcntl(made.write_end, fcntl.F_SETPIPE_SZ, 4096)
    yield made
    os.close(made.read_end)


def test_a_stream_is_behind_while_its_reader_is(pipe: Pipe) -> None:
    """A few texts may wait; a screen is not drawn for nobody."""
    pipe.fill()
    stream = pipe.stream()
    assert not stream.is_behind
    for _ in range(FEW_WAITING + 10):
        stream.write("a picture")
    assert stream.is_behind
    pipe.read(b"a picture" * (FEW_WAITING + 10))
    stream.flush()
    assert not stream.is_behind


def test_what_is_written_comes_out_in_order(pipe: Pipe) -> None:
    """And everything is there after a flush."""
    stream = pipe.stream()
    for number in range(100):
        stream.write(f"{number}\n")
    stream.flush()
    assert os.read(pipe.read_end, 4096).decode().split() == [str(number) for number in range(100)]


def test_no_writer_waits_for_a_reader_that_reads_nothing(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_99: a write never waits, and a flush waits only once."""
    monkeypatch.setattr(stderr, "FLUSH_SECONDS", 0.3)
    pipe.fill()
    stream = pipe.stream()
    started = time.monotonic()
    for number in range(2 * MOST_WAITING):
        stream.write(f"{number}\n")
    assert time.monotonic() - started < 5
    started = time.monotonic()
    stream.flush()
    assert time.monotonic() - started >= 0.3
    monkeypatch.setattr(stderr, "FLUSH_SECONDS", 60)
    stream.flush()
    assert time.monotonic() - started < 30


def test_dropped_lines_are_counted_when_reading_resumes(pipe: Pipe) -> None:
    """fault_99: the oldest lines are dropped and replaced by their number; the newest are there."""
    filled = pipe.fill()
    stream = pipe.stream()
    logs.configure("json", "info", stream)
    log = structlog.get_logger()
    log.info("first")
    while stream._waiting:  # noqa: ASYNC110, RUF100 - then it is in the middle of a write
        time.sleep(0.01)
    for number in range(MOST_WAITING + 7):
        log.info("line", number=number)
    lines = pipe.read(f'"number": {MOST_WAITING + 6}'.encode())[filled:].splitlines()
    assert '"first"' in lines[0]
    assert '"log_lines_lost"' in lines[1]
    assert '"lines": 7' in lines[1]
    assert '"number": 7' in lines[2]
    assert len(lines) == MOST_WAITING + 2


def test_a_reader_that_has_exited_causes_no_error(pipe: Pipe) -> None:
    """fault_99: writes succeed, and a flush does not wait."""
    stream = pipe.stream()
    os.dup2(os.open(os.devnull, os.O_RDONLY), pipe.read_end)
    for number in range(100):
        stream.write(f"{number}\n")
    started = time.monotonic()
    stream.flush()
    stream.finish()
    assert time.monotonic() - started < 0.5
    assert stream._lost >= 100


def test_a_full_disk_causes_no_error() -> None:
    """fault_99: simulated by `/dev/full`."""
    with Path("/dev/full").open("wb") as full:
        stream = BackgroundStderr(full.fileno())
        stream.write("line\n")
        stream.flush()
        assert stream._lost == 1


def test_a_descriptor_that_does_not_block_loses_nothing(pipe: Pipe) -> None:
    """Another program may have set O_NONBLOCK on a shared terminal."""
    filled = pipe.fill()
    os.set_blocking(pipe.write_end, False)
    stream = pipe.stream()
    for number in range(1000):
        stream.write(f"{number}\n")
    assert pipe.read(b"\n999\n")[filled:].split() == [str(number) for number in range(1000)]


def test_letters_that_an_encoding_lacks_are_escaped(pipe: Pipe) -> None:
    """They raise no error."""
    stream = BackgroundStderr(pipe.write_end, "ascii")
    stream.write("ü\n")
    stream.flush()
    assert os.read(pipe.read_end, 100) == b"\\xfc\n"


ENDINGS = {
    "quiet": ("", 0),
    "exit": ("sys.exit(7)", 7),
    "bug": ("raise RuntimeError('a bug')", 1),
    "print": ("print('x' * 100_000, file=sys.stderr); sys.exit(3)", 3),
}


@pytest.mark.parametrize("reader", ["gone", "stuck", "closed", "full"])
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("option", ["-I", "-Iu"])
def test_a_process_exits_normally(reader: str, ending: str, option: str, pipe: Pipe) -> None:
    """fault_99: soon, and with its own exit code; Python exits with 120 if it cannot flush stderr."""
    code, expected = ENDINGS[ending]
    program = (
        f"import sys; sys.path[:0] = {sys.path!r}; from veriframe import stderr; stderr.install();"
        f"stderr.FLUSH_SECONDS = 0.2; print('x' * 9000, file=sys.stderr); {code}"
    )
    command = [sys.executable, option, "-c", program]
    target: int | None = pipe.write_end
    if reader == "stuck":
        pipe.fill()
    elif reader == "gone":
        os.dup2(os.open(os.devnull, os.O_RDONLY), pipe.read_end)
    elif reader == "full":
        target = os.open("/dev/full", os.O_WRONLY)
    else:
        command, target = ["/bin/sh", "-c", 'exec "$@" 2>&-', "sh", *command], None
    assert subprocess.run(command, stderr=target, timeout=30, check=False).returncode == expected


def test_a_thread_that_holds_the_lock_does_not_stop_the_exit() -> None:
    """Python stops daemon threads where they are, then flushes stderr: the process once hung for ever."""
    program = (
        f"import atexit, sys, threading, time; sys.path[:0] = {sys.path!r}; from veriframe import stderr\n"
        "def hold():\n"
        "    with sys.stderr._changed:\n"
        "        held.set(); time.sleep(60)\n"
        "held = threading.Event()\n"
        "def after_finish():\n"
        "    threading.Thread(target=hold, daemon=True).start(); held.wait()\n"
        "    print('last words', file=sys.stderr)\n"
        "atexit.register(after_finish); stderr.install()\n"
        "print('first words', file=sys.stderr); sys.exit(7)"
    )
    ended = subprocess.run(
        [sys.executable, "-I", "-c", program], stderr=subprocess.PIPE, timeout=20, check=False, text=True
    )
    assert (ended.returncode, ended.stderr) == (7, "first words\nlast words\n")


def test_a_faulty_line_about_lost_lines_loses_nothing_else(pipe: Pipe) -> None:
    """The thread goes on."""
    stream = pipe.stream()
    stream.tell_lost = lambda lost: str(1 // 0)
    stream._lost = 3
    stream.write("next\n")
    assert pipe.read(b"next\n") == "3 lines were lost.\nnext\n"


def test_missing_descriptors_are_not_assigned_to_other_files() -> None:
    """fault_99: a journal with the number of a closed stdout would receive the output."""
    program = (
        f"import os, sys; sys.path[:0] = {sys.path!r}; from veriframe import stderr; stderr.install();"
        "print('to nobody'); print('to nobody', file=sys.stderr);"
        "sys.exit(40 + os.open('/etc/passwd', os.O_RDONLY))"
    )
    ended = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-I", "-c", program], check=False
    )
    assert ended.returncode == 43


def test_bytes_are_written_too(pipe: Pipe) -> None:
    """Some libraries write bytes to a terminal; and one caller's error does not block the others."""
    stream = pipe.stream()
    stream.write(b"Post it? ")
    with pytest.raises(TypeError):
        stream.write(5)  # type: ignore[arg-type]
    stream.write("[y/N]")
    stream.flush()
    assert os.read(pipe.read_end, 4096) == b"Post it? [y/N]"
