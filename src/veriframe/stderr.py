"""Standard error that never blocks, slows or fails its writers.

The reader of a log may stop reading or exit, and the disk may be full. So a separate thread does the writing.
Texts that cannot be written are dropped, the oldest first, and counted.
"""

from __future__ import annotations

import atexit
import io
import os
import select
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO, cast

from veriframe.readable import READABLE

MOST_WAITING = 2_000
"""Most texts that wait to be written; each is about a line."""

FEW_WAITING = 50
"""Texts that may wait while nobody is slow."""

FLUSH_SECONDS = 2.0
"""The longest wait for a reader that reads nothing."""


class BackgroundStderr(io.TextIOBase):
    """A text stream over a descriptor, written by a daemon thread."""

    def __init__(self, descriptor: int, encoding: str = "utf-8") -> None:
        """`descriptor` stays open. The thread starts with the first text."""
        self.tell_lost: Callable[[int], str] = lambda lost: f"{lost} lines were lost: nobody read them.\n"
        """Returns the line that reports how many texts were dropped, for when writing is possible again."""
        self._descriptor, self._encoding = descriptor, encoding
        self._waiting: deque[str] = deque()
        self._lost = 0
        self._is_writing = self._is_stuck = self._is_finished = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the bytes. Characters that it lacks are escaped."""
        return self._encoding

    @property
    def is_behind(self) -> bool:
        """Whether so much waits to be written that a picture of the moment is better left out."""
        return len(self._waiting) > FEW_WAITING

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether the descriptor is a terminal."""
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        """Always true."""
        return True

    def write(self, text: str | bytes) -> int:
        """Queue a text, or bytes, which some libraries write to a terminal. Returns at once."""
        if isinstance(text, bytes | bytearray):
            text = bytes(text).decode(self._encoding, "replace")
        if not isinstance(text, str):
            raise TypeError(f"text or bytes are written, not {type(text).__name__}")
        if self._is_finished:
            self._write_now(text)
            return len(text)
        with self._changed:
            if len(self._waiting) >= MOST_WAITING:
                self._waiting.popleft()
                self._lost += 1
            self._waiting.append(text)
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_all, name="stderr", daemon=True)
                self._thread.start()
        return len(text)

    def flush(self) -> None:
        """Wait until everything is written, briefly; do not wait again while the reader reads nothing."""
        if self._is_finished:
            return
        with self._changed:
            if not self._is_stuck:
                self._is_stuck = not self._changed.wait_for(self._is_done, FLUSH_SECONDS)

    def finish(self) -> None:
        """Write what is left, including the count of lost texts, at the end of the process.

        After this, nothing takes the lock: Python stops daemon threads where they are, perhaps with the lock
        in their hands, and flushes `sys.stderr` once more.
        """
        if self._lost:
            self.write("")
        self.flush()
        self._is_finished = True

    def close(self) -> None:
        """Do nothing: the descriptor stays open, and Python calls this while it destroys its objects."""

    def _is_done(self) -> bool:
        return not self._waiting and not self._is_writing

    def _write_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                text, lost, self._is_writing = self._waiting.popleft(), self._lost, True
            reported = lost if lost and self._written(self._lost_line(lost)) else 0
            missed = 0 if self._written(text) else 1
            with self._changed:
                self._lost += missed - reported
                self._is_writing = self._is_stuck = False
                self._changed.notify_all()

    def _lost_line(self, lost: int) -> str:
        try:
            return self.tell_lost(lost)
        except Exception:  # noqa: BLE001 - this thread must not die of how its reader wants its lines
            return f"{lost} lines were lost.\n"

    def _write_now(self, text: str) -> None:
        """Write without the thread, if that cannot block."""
        if not self._is_stuck and select.select([], [self._descriptor], [], 0)[1]:
            self._written(text)

    def _written(self, text: str) -> bool:
        data = text.encode(self._encoding, READABLE)
        try:
            while data:
                data = data[self._write_some(data) :]
        except OSError:
            return False
        return True

    def _write_some(self, data: bytes) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:  # another program has set O_NONBLOCK on the shared descriptor
            select.select([], [self._descriptor], [])
            return 0


def install() -> None:
    """Replace this process's `sys.stderr` permanently, and open missing standard descriptors on `/dev/null`.

    A closed descriptor 1 or 2 would otherwise be assigned to the next file that is opened. Does not replace
    `sys.stderr` if other code already has, as tests do.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is sys.__stderr__:
        sys.stderr = _background(2, sys.stderr.encoding if sys.stderr else "utf-8")


def protect_stdout() -> None:
    """Make `sys.stdout` such a stream, too: a worker neither waits nor fails for those who watch it."""
    with suppress(OSError):
        if sys.stdout.fileno() == 1:
            sys.stdout.flush()
            sys.stdout = _background(1, sys.stdout.encoding)


def _background(descriptor: int, encoding: str) -> TextIO:
    made = BackgroundStderr(descriptor, encoding)
    atexit.register(made.finish)
    return cast(TextIO, made)
