"""Ctrl-C: while a program starts it ends at once; a command then ends in order, without a traceback."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_CODE = 130
"""The exit code after Ctrl-C, as in shells."""

BOUNCE_SECONDS = 1.0
"""Interrupts that come within this time after the first one count as the same."""

_SHOW_CURSOR = b"\x1b[?25h"


def _end_at_once() -> None:
    for descriptor in (1, 2):
        # A bar on a terminal hides the cursor, and is not closed any more.
        if os.isatty(descriptor):
            os.write(descriptor, _SHOW_CURSOR)
    os._exit(EXIT_CODE)


class Interrupts:
    """Receives SIGINT. The first one stops what is under way; a later one ends the process at once."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, end: Callable[[], object] = _end_at_once
    ) -> None:
        self._clock, self._end = clock, end
        self._first_at: float | None = None
        self._stop: Callable[[], object] | None = None

    @property
    def received(self) -> bool:
        """Whether there was an interrupt."""
        return self._first_at is not None

    @contextmanager
    def stopping(self, stop: Callable[[], object]) -> Iterator[None]:
        """Inside, the first interrupt calls `stop` instead of raising `KeyboardInterrupt`."""
        self._stop = stop
        try:
            yield
        finally:
            self._stop = None

    def receive(self, _number: int, _frame: FrameType | None) -> None:
        """Handle one SIGINT. Raises `KeyboardInterrupt` with the first one, outside of `stopping`."""
        now = self._clock()
        if self._first_at is not None:
            if now - self._first_at >= BOUNCE_SECONDS:
                self._end()
            return
        self._first_at = now
        if self._stop is None:
            raise KeyboardInterrupt
        self._stop()


interrupts = Interrupts()
"""Those of this process."""


def end_quietly() -> None:
    """From now on, an interrupt ends the process at once, without a word: nothing is to be put in order."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def end_in_order() -> None:
    """From now on, `interrupts` receives them. A job that a shell started with `&` goes on ignoring them."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, interrupts.receive)
