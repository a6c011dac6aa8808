"""Makes the output of a sandbox harmless: limits it, splits it into lines, strips terminal control codes."""

from __future__ import annotations

import asyncio
import os
import re
import time
import unicodedata
from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")

MAX_LOG_LINE = 2_000
"""The longest log line, in characters; the rest is cut."""

_CHUNK_BYTES = 1024
"""Read and split at once, so at most this many lines are handled before the event loop runs again."""


def strip(line: bytes) -> str:
    """Returns a log line without escape sequences, control and direction characters, and cut to the limit."""
    text = _ANSI.sub("", line[: 4 * MAX_LOG_LINE].decode("utf-8", "replace"))
    kept = (c for c in text.replace("\t", " ") if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co"})
    return "".join(kept)[:MAX_LOG_LINE].rstrip()


class StreamLimits(NamedTuple):
    """The limits of a stream: bytes of one line, bytes in total, and lines, empty ones included.

    What was used of the latter two comes back with time, but a stream that was silent for days may write no
    more at once than a new one.
    """

    line_bytes: int
    total_bytes: int
    lines: int
    bytes_per_second: int = 0
    lines_per_second: int = 0


class LineSplitter:
    """Splits a stream of chunks into lines and enforces its limits."""

    def __init__(self, on_line: Callable[[bytes], None], caps: StreamLimits, *, cut: bool) -> None:
        """`cut`: shorten a line that is too long (a log) instead of exceeding the limit (a report)."""
        self._on_line = on_line
        self._caps, self._cut = caps, cut
        self._bytes_left, self._lines_left = float(caps.total_bytes), float(caps.lines)
        self._line = bytearray()
        self._refilled = time.monotonic()

    def feed(self, chunk: bytes) -> bool:
        """Processes a chunk. Returns False if a limit is exceeded; no further lines are passed on then."""
        self._refill()
        self._bytes_left -= len(chunk)
        if self._bytes_left < 0:
            return False
        *ends, start = chunk.split(b"\n")
        return all(self._append(end) and self._emit() for end in ends) and self._append(start)

    def close(self) -> None:
        """Ends the stream: the rest is a line too."""
        if self._line:
            self._emit()

    def _append(self, part: bytes) -> bool:
        room = self._caps.line_bytes - len(self._line)
        self._line += part[:room]
        return self._cut or len(part) <= room

    def _emit(self) -> bool:
        self._lines_left -= 1
        if self._lines_left < 0:
            return False
        line = bytes(self._line)
        self._line.clear()
        self._on_line(line)
        return True

    def _refill(self) -> None:
        caps, now = self._caps, time.monotonic()
        passed, self._refilled = now - self._refilled, now
        self._bytes_left = min(caps.total_bytes, self._bytes_left + caps.bytes_per_second * passed)
        self._lines_left = min(caps.lines, self._lines_left + caps.lines_per_second * passed)


async def read_lines(descriptor: int, splitter: LineSplitter, on_flood: Callable[[], None]) -> None:
    """Reads a pipe to its end and splits it into lines. Calls `on_flood` once if a limit is exceeded.

    The event loop runs between two chunks, however many arrive.
    """
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(descriptor), "rb")
    )
    is_flooded = False
    with closing(transport):
        # Reading continues after a flood, so that no writer blocks on a full pipe.
        while chunk := await reader.read(_CHUNK_BYTES):
            if not is_flooded and not splitter.feed(chunk):
                is_flooded = True
                on_flood()
            # The reader returns buffered data without suspending.
            await asyncio.sleep(0)
    splitter.close()
